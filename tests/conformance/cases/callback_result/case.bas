' A function that another language returns keeps its state there, one for each.
a = counter(0)
b = counter(100)
print a(1);
print a(1);
print b(10);
print a(5);
print host.apply(b, 1);
one = adder(1)
two = one(2)
print two(3);
