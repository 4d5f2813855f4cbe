dim a(3)
a(3) = 1
