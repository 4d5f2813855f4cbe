x = 1
def f(x)
  x = x + 1
  return x
enddef
print f(10); x;
def g(x$)
  x$ = x$ + "!"
  return x$
enddef
x$ = "a"
print g("b"); x$;
