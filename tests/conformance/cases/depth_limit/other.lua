expose("back", function(n) return dive(n + 1) end)
