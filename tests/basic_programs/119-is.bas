class a
endclass
class b(a)
endclass
o = new(b)
print o is b; o is a; a is a; a is b; b is a; o is type("CLASS");
print 1 is type("NUMBER"); "x" is type("NUMBER"); "x" is type("STRING"); list() is type("COLLECTION");
it = iterator(list(1))
print it is type("ITERATOR"); it is type("LIST_ITERATOR");
print 0 or 1 is type("INTEGER"); not 1 is type("STRING");
f = lambda () (return 1)
print f is type("ROUTINE");
