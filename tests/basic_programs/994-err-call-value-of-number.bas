x = 5
print "before";
f = call(x)
