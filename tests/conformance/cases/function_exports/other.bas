def double(n)
  return n * 2
enddef
def join(a, b, c)
  return a + b + c
enddef
def nothing()
  return
enddef
def pair()
  return list(1, "two")
enddef
expose(double)
expose(join)
expose(nothing)
expose(pair)
