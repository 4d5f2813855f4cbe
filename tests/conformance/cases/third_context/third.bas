def relay(f, x)
  return f(x)
enddef
def maker(name)
  return lambda (x) (return name + " got " + str(x))
enddef
expose(relay)
expose(maker)
