print "before";
goto nowhere
