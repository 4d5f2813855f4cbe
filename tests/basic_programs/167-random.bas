srnd(7)
a = rnd(1000000)
srnd(7)
print a = rnd(1000000); type(rnd(5)); type(rnd(1, 2));
ok = 1
for i = 1 to 50
  r = rnd(3, 4)
  if r <> 3 and r <> 4 then ok = 0
  r = rnd
  if r < 0 or r > 1 then ok = 0
next
print ok;
