expose("double", function(n) return n * 2 end)
expose("join", function(a, b, c) return a .. b .. c end)
expose("nothing", function() end)
expose("pair", function() return {1, "two"} end)
