x = "a" + list(1)
