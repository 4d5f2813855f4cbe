' Lists and maps of another language are walked with the language's own loops.
for colour in colours()
  print colour;
next
print len(colours());
sum = 0
count = 0
table = prices()
for fruit in table
  sum = sum + table(fruit)
  count = count + 1
next
print sum, " for ", count;
mine = colours()
push(mine, "black")
print host.show(mine);
line = mine(0)
for i = 1 to len(mine) - 1
  line = line + " " + mine(i)
next
print line;
gaps = holes()
print len(gaps);
print host.show(gaps(1));
print gaps(2);
