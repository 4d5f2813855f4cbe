' A parameter that is there twice is found when its routine is called.
def g(first, first, ...)
  print first;
enddef
print "before";
g(0, 2, 3)
