class a
endclass
print "before";
print 5 is a;
