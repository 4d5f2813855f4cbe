print str(list(1));
