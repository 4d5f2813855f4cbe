if 0 then ' not now
  print "a";
else ' but here
  print "b";
endif
if 0 then
  print "a";
else print "c";
  print "d";
endif
if 0 then rem remark
  print "a";
elseif 1 then ' yes
  print "e";
endif
'[ a block
over lines : print "hidden";
']
x = 1 ' one
print x; rem : print "hidden";
