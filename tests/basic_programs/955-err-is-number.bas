print 1 is 2;
