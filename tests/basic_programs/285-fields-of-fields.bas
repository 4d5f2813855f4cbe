' The first value of a field may mention the fields above it.
x = 100
class a
  var x = 10
  var y = x + 1
  var l = list(x, y)
  var z = y * 2
  var f = lambda (n) (return n + 1)
  var last = z + x
  def sum()
    var s = x + y
    return s
  enddef
endclass
o = new(a)
print o.y, " ", o.z, " ", o.last, " ", o.f(1), " ", o.sum(), " ", x;
l = o.l
print l(0), " ", l(1);
var y = 3
print y;
