print "a\nb";
print "two
lines";
print chr(34) + "q" + chr(34);
print len("\t"); len("");
print "it's rem ' : no comment";
print "#@!?%&{}[]";
