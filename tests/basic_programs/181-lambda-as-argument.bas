def map(l, f)
  r = list()
  for x in l
    push(r, f(x))
  next
  return r
enddef
m = map(list(1, 2, 3), lambda (x) (return x * x))
for x in m
  print x, " "
next
print ;
t = 0
m = map(list(1, 2, 3), lambda (x) (t = t + x))
print t; m(0);
