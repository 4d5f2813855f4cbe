print 1, -2, "x", nil, 0.5
print ;
print 1,
print 2
print ;
print "a"; "b", "c"; ; "d"
print ;
