def pass(f, x)
  return relay(f, x)
enddef
def fetch()
  return maker("third")
enddef
def combined(f)
  return relay(f, 1) + relay(lambda (x) (return x * 10), 2)
enddef
expose(pass)
expose(fetch)
expose(combined)
