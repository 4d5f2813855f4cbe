for x in list(1, 2, 3)
  if x = 2 then exit
  print x;
next
i = 0
do
  i = i + 1
  while 1
    exit
  wend
  if i = 3 then
    exit
  endif
until 0
print i;
for k in dict("a", 1)
  exit
next
print "end";
