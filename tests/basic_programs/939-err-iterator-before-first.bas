it = iterator(list(1))
print get(it);
