print "never";
print f(1);
def f(x)
  return x
enddef
