def sum(
  a,
  b
)
  return a + b
enddef
add = lambda (
  a,
  b
) (
  return a + b
)
print sum(
  1,
  2
);
print add(
  3,
  4
);
l = list(
  1,
  2
)
d = dict(
  "a", 1,
  "b", 2
)
print len(l); len(d);
