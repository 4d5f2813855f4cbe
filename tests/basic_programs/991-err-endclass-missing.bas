print "never";
class a
  var x = 1
