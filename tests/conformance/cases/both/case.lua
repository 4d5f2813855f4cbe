-- A list that has named values too stays both.
local both = {1, 2, name = "both"}
print(host.show(both))
print(host.show(mirror(both)))
print(host.show(mirror({both, {both = both}})))
