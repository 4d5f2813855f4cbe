a = list(1)
b = a
c = list(1)
print a = b; a = c; a <> c;
d = dict()
e = d
print d = e; d <> e;
f = lambda () (return 1)
g = f
h = lambda () (return 1)
print f = g; f = h;
