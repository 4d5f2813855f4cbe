expose("settings", {name = "shop", sizes = {1, 2, 3}})
expose("most", 10)
expose("open", "at nine")
expose("rename", function(name) expose("settings", {name = name, sizes = {}}) end)
