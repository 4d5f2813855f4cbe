expose("pass", function(f, x) return relay(f, x) end)
expose("fetch", function() return maker("third") end)
expose("combined", function(f) return relay(f, 1) + relay(function(x) return x * 10 end, 2) end)
