def f(x): return x * 2: enddef
print f(4);
class a: var x = 1: def g(): return x: enddef: endclass
o = new(a)
print o.x; o.g();
h = lambda (x) (return x): print "same line";
print h(3);
