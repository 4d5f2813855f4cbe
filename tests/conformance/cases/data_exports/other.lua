expose("settings", {name = "shop", sizes = {1, 2, 3}})
expose("most", 10)
expose("open", false)
expose("rename", function(name) expose("settings", {name = name, sizes = {}}) end)
