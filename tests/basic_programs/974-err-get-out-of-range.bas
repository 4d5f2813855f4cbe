l = list(1)
print get(l, 5);
