def f(a, b, c$)
  print a, " ", b, " [", c$, "]";
enddef
f(1)
f(1, 2, "three")
f(3)
