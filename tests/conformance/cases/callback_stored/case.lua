-- A function is kept, by the host or by another script, and called when the call that gave it is
-- long over.
local total = 0
local function give()
  local factor = 2
  host.store(function(n)
    total = total + n * factor
    return total
  end)
  keep(function(x) return "rang " .. x end)
end
give()
print(host.stored(5))
print(host.stored(6))
print(total)
print(ring(1))
print(host.apply(ring, 2))
keep(function(x) return "rings " .. host.later(x) end)
print(ring(3))
host.store(ring)
print(host.stored(4))
