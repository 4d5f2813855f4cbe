-- Values are made one by one, on demand, and both who makes them and who takes them may wait.
local function doubled(first, last)
  return coroutine.wrap(function()
    for i = first, last do coroutine.yield(double(host.later(i))) end
  end)
end
for n in doubled(1, 3) do print(host.later(n)) end
-- Two that take turns.
local a, b = doubled(10, 12), doubled(20, 22)
for _ = 1, 3 do
  print(a())
  print(b())
end
-- One that goes through a function of another call.
local c = doubled(30, 31)
print(host.apply(function() return c() end))
print(c())
-- One that fails in the middle.
local d = coroutine.wrap(function()
  coroutine.yield("before")
  host.fail_later("busy", "no room")
end)
print(d())
local ok, e = pcall(d)
print(e.kind .. ": " .. e.message)
