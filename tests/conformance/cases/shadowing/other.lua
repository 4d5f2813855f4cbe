expose("greet", function() return "theirs" end)
expose("season", "winter")
expose("as_seen_there", function() return {twice(2), greet(), season, motto} end)
