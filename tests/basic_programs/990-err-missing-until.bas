do
print "x";
