class p
  var x = 1
  def m(n)
    return x + n
  enddef
endclass
o = new(p)
r = reflect(o)
print r("X"); exists(r, "x"); type(r("M")); exists(r, "ME");
set(o, "X", 5)
print get(o, "x"); o.x;
f = get(o, "M")
print f(2);
q = new("P")
print q.x;
