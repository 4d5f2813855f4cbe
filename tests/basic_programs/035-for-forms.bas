for i = 1 to 3
  print i, " "
next i
for i = 3 to 1 step -1
  print i, " "
next
for i = -1 to 1
  print i, " "
next
for i = 1.5 to 3
  print i, " "
next
for i = 2 to 2
  print i, " "
next
print i;
