expose("mirror", function(bytes) return bytes end)
expose("length", function(bytes) return #bytes end)
