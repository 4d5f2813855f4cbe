n = 0
if n then print "a"; else print "b";
if not n then print "c";
while not (n >= 2)
  n = n + 1
wend
print n;
if n = 2 and 1 then print "d";
if n = 3 or n = 2 then print "e";
x = n = 2
print x + x;
