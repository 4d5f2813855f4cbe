l = list(2, "1", 2.5)
print exists(l, 2); exists(l, 2.0); exists(l, 1); exists(l, "1"); index_of(l, 2.5); index_of(l, 2.0);
d = dict(1, "a")
print exists(d, 1); exists(d, 1.0); exists(d, "1");
