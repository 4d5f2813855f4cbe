def f(a, b, c$)
  print a, b, len(c$);
enddef
f(7)
