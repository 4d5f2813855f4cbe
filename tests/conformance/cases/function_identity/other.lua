local own = function() return "theirs" end
expose("mirror", function(f) return f end)
expose("give", function() return own end)
expose("is_own", function(f) return f == own and "own" or "another" end)
