a = 2
if a = 1 then print "a"; elseif a = 2 then print "b"; else print "c";
if a = 2 then print 1; : print 2; else print 3; : print 4;
if a = 3 then print 1; : print 2; else print 3; : print 4;
if a = 3 then print "never";
if a = 2 then b = 5 else b = 6
print b;
