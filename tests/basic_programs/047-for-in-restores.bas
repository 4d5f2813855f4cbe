x = "old"
for x in list(1, 2)
  print x;
next
print x;
for y in list("only")
next
print y;
d = dict("a", 1, "b", 20, "c", 300)
sum = 0
for k in d
  sum = sum + d(k)
next
print sum;
for e in list()
  print "never";
next
for e in dict()
  print "never";
next
print "end";
