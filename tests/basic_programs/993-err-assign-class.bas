class a
endclass
print "before";
a = 5
