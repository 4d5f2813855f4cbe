class leaf
  var v = 3
  def up(n)
    v = v + n
    return v
  enddef
endclass
class tree
  var l = new(leaf)
  var h = lambda (x) (return x * 2)
  var d = dict("k", 1)
endclass
t = new(tree)
print t.l.v; t.l.up(4); t.l.v; t.h(5);
t.l.v = 1
print t.l.v;
print t.nothing; type(t.nothing);
print t.d("k");
t.d("k") = 8
print t.d("k");
x = t.l
print x.v;
