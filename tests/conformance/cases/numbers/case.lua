-- A native that wants an int or a real gets it from any number that is one, and loses nothing.
local function try(f, ...)
  local ok, e = pcall(f, ...)
  if ok then print("fine") else print(e.kind .. ": " .. e.message) end
end
print(host.show(host.half(3)))
print(host.show(host.half(0.25)))
print(host.add(6 / 2, 1))
print(host.add(-0.0, 5))
print(host.show(host.add(9007199254740992, 1)))
try(host.add, 2.5, 1)
try(host.add, 1, 0 / 0)
try(host.add, 1, 1 / 0)
try(host.add, 1e300, 1)
try(host.add, math.maxinteger, 1)
try(host.half, 9007199254740993)
try(host.half, 9007199254740992)
