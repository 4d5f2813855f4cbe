-- A native is a function value like any other.
print(host.apply(host.add, 1, 2))
print(apply_there(host.add, 3, 4))
print(give_add()(5, 6))
local tools = {add = host.add}
print(tools.add(7, 8))
local ok, e = pcall(apply_there, host.add, 1, "2")
print(e.kind .. ": " .. e.message)
