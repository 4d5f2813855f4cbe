class a
  var x = 1
endclass
o = new(a)
set(o, "y", 2)
