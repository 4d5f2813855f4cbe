class point
  var x = 4
endclass
r = reflect("Point")
print r("X");
print : print "a";
