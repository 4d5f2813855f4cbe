expose("mirror", function(text) return text end)
expose("join", function(a, b) return a .. b end)
