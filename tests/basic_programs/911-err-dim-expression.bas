dim a(1 + 1)
