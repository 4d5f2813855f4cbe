expose("before", function(a, b) return host.later(a) < host.later(b) end)
