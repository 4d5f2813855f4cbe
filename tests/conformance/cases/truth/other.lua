expose("mirror", function(value) return value end)
expose("is_large", function(n) return n > 100 end)
expose("open", false)
