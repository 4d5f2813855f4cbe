expose("work", function() return "worked" end)
expose("make", function() return function() return "made" end end)
expose("fact", 7)
