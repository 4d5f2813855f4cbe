def stop(n)
  if n = 0 then end
  stop(n - 1)
enddef
print "before";
for i = 1 to 3
  stop(2)
  print "never";
next
print "never";
