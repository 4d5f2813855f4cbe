def f(...)
  x = ...
  print x, " ", len(...);
enddef
f()
f(1)
f("a", "b")
def g(first, ...)
  f(first, ...)
enddef
g(1, 2, 3)
def h(a, b)
  return a * b
enddef
k = lambda (...) (return h(...))
print k(6, 7);
