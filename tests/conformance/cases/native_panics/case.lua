-- A native that panics is an error like any other, and nobody is worse for it.
for _ = 1, 3 do
  local ok, e = pcall(host.panic)
  print(e.kind .. ": " .. e.message)
end
local ok, e = pcall(panic_there)
print(e.kind .. ": " .. e.message)
print(host.add(1, 2))
