print "never";
a = 1
class a
endclass
