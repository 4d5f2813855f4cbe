print 1 / 0; -1 / 0; 5 mod 0; 1.5 / 0; type(1 / 0);
x = 0 / 0
print x = x;
print "goes on";
