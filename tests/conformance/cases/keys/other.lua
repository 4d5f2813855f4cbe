expose("mirror", function(value) return value end)
expose("get", function(map, key) return map[key] end)
