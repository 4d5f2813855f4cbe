if 1 then print "a";
elseif 1 then print "b";
endif
