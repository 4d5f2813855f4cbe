print "never";
x = 5 % 2
