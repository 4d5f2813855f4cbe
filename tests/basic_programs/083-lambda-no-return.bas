f = lambda () (x = 5)
print f();
print x;
g = lambda (a) (
  b = a
  if b > 1 then return
  return "small"
)
print g(5); g(1);
h = lambda () (print "side";): print "after";
h()
