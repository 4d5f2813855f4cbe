-- Large values pass whole.
local list = {}
for i = 1, 10000 do list[i] = i end
print(total(list))
print(total(host.later(list)))
print(host.chars(repeated("grüße ", 10000)))
local map = {}
for i = 1, 1000 do map["key" .. i] = i end
local keys = host.keys(map)
print(host.show({keys[1], keys[1000]}))
