expose("mirror", function(value) return value end)
expose("size", function(list) return #list end)
expose("no_list", function() return {} end)
