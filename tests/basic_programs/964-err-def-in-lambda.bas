f = lambda () (
  def g()
  enddef
)
f()
