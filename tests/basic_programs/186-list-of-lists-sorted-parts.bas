l = list(list(3, 1), list(2))
for x in l
  sort(x)
  print x(0), " "
next
print ;
m = l(0)
m(0) = "changed"
n = get(l, 0)
print n(0), n(1);
