print "before";
if 0 then
  print "never";
