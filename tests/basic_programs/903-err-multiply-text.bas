x = "5"
print "before";
y = x * 2
