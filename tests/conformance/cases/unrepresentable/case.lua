-- A value in a circle, or nested too deep, is an error of its own kind, as argument and as result.
local function try(f, ...)
  local ok, e = pcall(f, ...)
  print(ok and "fine" or e.kind)
end
local function nested(depth)
  local value = {}
  for _ = 2, depth do value = {value} end
  return value
end
local circle = {}
circle.list = {circle}
try(host.count, circle)
try(mirror, circle)
try(endless)
try(host.apply, function() return circle end)
try(mirror, nested(64))
try(host.count, nested(65))
try(mirror, nested(65))
try(host.apply, function() return nested(65) end)
-- What occurs twice without a circle is copied.
local part = {1}
print(host.show(mirror({part, part})))
