x = 1
print "before";
x == 1
