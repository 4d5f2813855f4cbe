print "never";
def f()
  x = 1
