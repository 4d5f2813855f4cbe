x = rnd(5, 5)
