def apply_there(f, a, b)
  return f(a, b)
enddef
def give_add()
  return call(host.add)
enddef
expose(apply_there)
expose(give_add)
