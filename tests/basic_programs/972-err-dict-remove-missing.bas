d = dict("a", 1)
remove(d, "b")
