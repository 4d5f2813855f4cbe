class p
  def name()
    return "p"
  enddef
  def hello()
    print "p says";
  enddef
  def show()
    hello()
    print me.name();
    return me
  enddef
endclass
class q(p)
  def name()
    return "q"
  enddef
  def hello()
    print "q says";
  enddef
endclass
a = new(p)
b = new(q)
a.show()
b.show()
c = b.show()
print c = b;
