for i = 1 to 3
  for j = 1 to 3
    if j = 2 then next i
    print i, j, " "
  next j
next i
print ;
for i = 1 to 2
  for j = 1 to 3
    if j = 2 then next j
    print i, j, " "
  next j
next i
print i;
