print len(5);
