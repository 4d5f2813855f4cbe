print "before";
def f()
  def g()
  enddef
enddef
