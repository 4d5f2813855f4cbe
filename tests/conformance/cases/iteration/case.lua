-- Lists and maps of another language are walked with the language's own loops.
for _, colour in ipairs(colours()) do print(colour) end
print(#colours())
local sum, count = 0, 0
for _, price in pairs(prices()) do
  sum = sum + price
  count = count + 1
end
print(sum .. " for " .. count)
local list = colours()
list[#list + 1] = "black"
print(host.show(list))
print(table.concat(list, " "))
local holes = holes()
print(#holes)
print(host.show(holes[2]))
print(holes[3])
