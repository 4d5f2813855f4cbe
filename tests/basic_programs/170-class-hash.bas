class key
  var x = 0
  def hash()
    return x
  enddef
  def compare(o)
    return x - o.x
  enddef
endclass
a = new(key)
a.x = 1
b = new(key)
b.x = 1
c = new(key)
c.x = 2
d = dict(a, "one")
print d(b); exists(d, c); len(d);
d(b) = "uno"
d(c) = "two"
print d(a); len(d);
