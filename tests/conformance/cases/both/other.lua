expose("mirror", function(value) return value end)
