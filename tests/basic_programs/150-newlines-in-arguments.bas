l = list(1,
  2,
  3)
print len(l);
def add(a,
  b)
  return a + b
enddef
print add(1,
  2);
f = lambda (x,
  y)
(
  return x * y
)
print f(3, 4);
d = dict("a", 1,
  "b",
  2)
print d("b");
