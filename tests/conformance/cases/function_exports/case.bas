' What one script exports is a global function of every other.
print double(21);
print double(double(double(1)));
print join("a", "b", "c");
print host.show(nothing());
print host.show(pair());
print 1 + double(2) * double(3);
f = call(double)
print f(4);
print host.apply(call(double), 5);
