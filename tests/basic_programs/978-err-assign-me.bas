me = 1
