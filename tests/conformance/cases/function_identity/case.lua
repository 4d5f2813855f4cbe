-- A function that comes home is itself again.
local function f() return "f" end
local function g() return "g" end
print(host.echo(f) == f)
print(mirror(f) == f)
print(mirror({list = {f}}).list[1] == f)
print(mirror(g) == f)
print(is_own(give()))
print(is_own(f))
print(mirror(f)())
