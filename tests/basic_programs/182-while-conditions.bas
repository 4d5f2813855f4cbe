n = 3
while n
  print n, " "
  n = n - 1
wend
print ;
l = list(1, 2, 3)
while len(l) > 0
  print pop(l), " "
wend
print ;
do
  n = n + 1
until n = 5 or n > 10
print n;
