x = 0
goto go
print "skipped";
go: x = x + 1: print x;
again:
x = x + 1
if x < 4 then
  goto again
endif
print x;
for i = 1 to 3
  if i = 2 then goto skip
  print i;
  skip:
next
