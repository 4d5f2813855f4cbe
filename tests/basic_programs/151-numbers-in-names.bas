1abc = 5
print 1abc;
_ = 3
print _;
x1 = 1
x_2 = 2
print x1 + x_2;
