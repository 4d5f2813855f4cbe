-- Lists and maps reach natives and other languages as what they are.
local function show(value)
  print(host.show(value))
  print(host.show(mirror(value)))
end
show({1, 2, 3})
show({"one", 2, 0.5})
show({1, nil, 3})
show({name = "Ada", born = 1815})
show({{1, 2}, {3, {4, {5}}}})
show({orders = {{id = 1, tags = {"new", "paid"}}, {id = 2, tags = {"old"}}}, count = 2})
show({f = function() end, list = {function() end}})
