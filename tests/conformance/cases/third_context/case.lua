-- A function goes through a context in the middle, in both directions, and stays itself.
print(pass(function(x) return "own got " .. x end, 4))
local from_third = fetch()
print(from_third(5))
print(pass(from_third, 6))
print(combined(function(x) return x + 100 end))
local function own() end
print(pass(function(f) return f end, own) == own)
local ok, e = pcall(pass, function() host.fail("busy", "no room", {wait = 3}) end, 7)
print(e.kind .. ": " .. e.message .. " " .. host.show(e.payload))
