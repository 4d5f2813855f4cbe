print "before";
print left(5, 1);
