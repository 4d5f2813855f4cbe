-- A wait is an expression like any other, wherever it stands.
print(host.later(1) + host.later(2) * host.later(3))
print(host.add(host.later(1), host.later(2)))
print(host.show({host.later("a"), {host.later("b")}}))
print(slowly(function(x) return host.later(x .. "!") end, "slow"))
if host.later(true) then print("true") end
local n = 0
while host.later(n) < 3 do n = n + host.later(1) end
print(n)
for _ = 1, host.later(2) do print("twice") end
print((function() return host.later("called") end)())
-- In what handles an error.
local ok, e = pcall(host.fail_later, "busy", "no room")
print(host.later(e.kind))
print(select(2, pcall(function()
  local fine, problem = pcall(host.fail_later, "denied", "not you")
  return host.later(problem.message)
end)))
