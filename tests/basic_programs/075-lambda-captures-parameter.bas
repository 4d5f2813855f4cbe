def adder(n)
  return lambda (x) (return x + n)
enddef
a = adder(1)
b = adder(10)
print a(1); b(1); a(b(100));
curry = lambda (a) (return lambda (b) (return lambda (c) (return a + b + c)))
f = curry(1)
g = f(2)
print g(3);
