-- A script's state lives on between calls, whoever makes them.
print(tick("one"))
print(tick("two"))
print(host.apply(tick, "three"))
local tick_later = tick
print(tick_later(host.later("four")))
print(call("tick", "five"))
print(host.show(logged()))
