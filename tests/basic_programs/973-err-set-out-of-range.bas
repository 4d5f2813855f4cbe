l = list(1)
set(l, 1, 2)
