print "before";
print me;
