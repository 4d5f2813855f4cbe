l = list(1, 2)
it = iterator(l)
print move_next(it);
print get(it);
print move_next(it);
print get(it);
print move_next(it);
print type(it);
i2 = iterator(dict())
print move_next(i2);
