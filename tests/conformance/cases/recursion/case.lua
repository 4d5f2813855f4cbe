-- A recursion goes a hundred calls deep, to and fro, and comes back.
expose("down", function(n)
  if n == 0 then return 0 end
  return 1 + below(n - 1)
end)
print(below(100))
print(below(99))
local function deeper(n)
  if n == 0 then return "ground" end
  return host.apply(deeper, n - 1)
end
print(deeper(100))
