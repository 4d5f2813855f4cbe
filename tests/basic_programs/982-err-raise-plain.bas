print "before";
raise()
