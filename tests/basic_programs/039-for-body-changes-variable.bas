for i = 1 to 5
  print i, " "
  i = i + 1
next
print i;
