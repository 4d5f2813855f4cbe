expose("apply_there", function(f, a, b) return f(a, b) end)
expose("give_add", function() return host.add end)
