-- A script calls another, which calls back into it, while it still waits; its state is one.
local visits = 0
expose("ping", function(n)
  visits = visits + 1
  if n == 0 then return "done in case" end
  return pong(n - 1)
end)
print(pong(10))
print(visits)
print(pong(9))
print(visits)
print(ping(host.later(3)))
print(visits)
