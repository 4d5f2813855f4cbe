def f()
enddef
print "before";
f = 5
