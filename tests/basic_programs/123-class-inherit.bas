class base
  var x = 1
  var y = 2
  def sum()
    return x + y
  enddef
endclass
class derived(base)
  var x = 10
endclass
o = new(derived)
print o.x; o.y; o.sum();
o.y = 5
print o.sum(); base.y;
class more(derived)
  def sum()
    return -1
  enddef
endclass
p = new(more)
print p.sum(); p.x;
