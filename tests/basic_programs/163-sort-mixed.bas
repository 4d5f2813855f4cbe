l = sort(list("b", 2, 1.5, "a", 1, 0.5, -3))
for x in l
  print x, " "
next
print ;
m = sort(list("b", "B", "a", "ab", ""))
for x in m
  print x, " "
next
print ;
print len(sort(list()));
r = sort(list(5 to 1))
print r(0), r(4);
