s = ""
for i = 1 to 3
  s = s + str(i) + ","
next
print left(s, len(s) - 1);
t = "abc"
u = t
t = t + "d"
print u, t;
print "x" + chr(9) + "y";
