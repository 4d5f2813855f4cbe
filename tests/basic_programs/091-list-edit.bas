l = list("a", "b")
print len(push(l, "c"));
insert(l, 3, "d")
insert(l, 0, "z")
m = set(l, 1, "A")
print len(m); l(0), l(1), l(4);
m(0) = "y"
print l(0);
remove(l, 0)
remove(l, 0, 0)
print len(l); l(0), l(1);
clear(l)
print len(l);
