n = 0
def tick()
  n = n + 1
  return n
enddef
class c
  var id = tick()
endclass
a = new(c)
b = new(c)
print a.id, b.id, n;
class d
  var x
  var y$
endclass
print d.x, len(d.y$);
