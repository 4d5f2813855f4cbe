while 0
print "x";
