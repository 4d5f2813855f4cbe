expose("double", function(n) return n * 2 end)
expose("season", "winter")
