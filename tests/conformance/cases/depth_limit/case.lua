-- Endless recursion between scripts ends in an error that can be caught, and harms nobody.
local deepest = 0
expose("dive", function(n)
  deepest = n
  return back(n + 1)
end)
for _ = 1, 2 do
  local ok, e = pcall(back, 1)
  print(e.kind .. ": " .. e.message)
  print(deepest)
end
