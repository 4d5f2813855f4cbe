expose("relay", function(f, x) return f(x) end)
expose("maker", function(name) return function(x) return name .. " got " .. x end end)
