expose("theirs", function() return "theirs" end)
expose("their.own", 1)
