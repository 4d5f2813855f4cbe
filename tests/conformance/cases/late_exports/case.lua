-- A name is looked for when it is used: it may come late, and change.
local ok, e = pcall(call, "late")
print(e.kind)
print(pcall(function() return late() end) and "there" or "not there")
publish(1)
print(late())
print(call("late"))
publish(2)
print(late())
local held = late
publish(3)
print(held())
