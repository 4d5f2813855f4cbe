expose("double", function(n) return host.later(n * 2) end)
