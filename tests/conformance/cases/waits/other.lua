expose("slowly", function(f, x) return host.later(f(host.later(x))) end)
