class counter
  var n = 0
  def up()
    n = n + 1
    return n
  enddef
endclass
l = list(new(counter), new(counter))
a = l(0)
a.up()
a.up()
for c in l
  print c.n, " "
next
print ;
d = dict("c", a)
b = d("c")
print b.up(), a.n;
