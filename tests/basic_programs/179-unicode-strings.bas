s = "grüße 🦀"
print len(s); left(s, 4); right(s, 1); mid(s, 2, 3);
r = ""
for i = len(s) - 1 to 0 step -1
  r = r + mid(s, i, 1)
next
print r;
print "é" < "z"; "a" < "é"; "Z" < "a";
