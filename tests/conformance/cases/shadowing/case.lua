-- A script's own global goes before natives, exports and data, but only in its own context.
function twice(n) return "own " .. n end
function greet() return "own" end
season = "summer"
motto = 7
print(twice(2))
print(greet())
print(season)
print(motto)
print(call("twice", 2))
print(call("greet"))
print(host.show(as_seen_there()))
