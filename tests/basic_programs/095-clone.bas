inner = list(1)
l = list(inner, 2)
c = clone(l)
c(1) = 3
x = c(0)
push(x, 9)
print l(1); c(1); len(inner);
d = dict("k", inner)
e = clone(d)
e("k") = 5
print len(d("k")); e("k");
push(d("k"), 2)
print len(inner);
