print "before";
endif
