-- A sort may ask another language for the order, and wait in the middle of it.
local function sorted(list)
  table.sort(list, function(a, b) return compared(a, b) < 0 end)
  return host.show(list)
end
print(sorted({5, 3, 9, 1, 7, 2, 8, 6, 4}))
print(sorted({"pear", "apple", "fig"}))
local list = {3, 1, 2}
local ok, e = pcall(table.sort, list, function() host.fail_later("busy", "no order") end)
print(e.kind .. ": " .. e.message)
