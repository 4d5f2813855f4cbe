class inner
  var v = 1
endclass
class outer
  var n = 1
  var l = list(1)
  var i = new(inner)
endclass
a = new(outer)
b = new(a)
b.n = 2
push(b.l, 2)
b.i.v = 9
print a.n; b.n; len(a.l); len(b.l); a.i.v; b.i.v;
