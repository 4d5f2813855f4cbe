def add(a, b)
  return a + b
enddef
def apply(f, x, y)
  return f(x, y)
enddef
print apply(call(add), 2, 3);
l = list(call(add), lambda (a, b) (return a * b))
f = l(0)
g = l(1)
print f(4, 5); g(4, 5);
def pick(n)
  if n then return call(add)
  return lambda (a, b) (return a - b)
enddef
h = pick(1)
print h(1, 1);
h = pick(0)
print h(1, 1);
