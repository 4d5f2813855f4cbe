def mirror(value)
  return value
enddef
def endless()
  circle = dict()
  circle("self") = circle
  return circle
enddef
expose(mirror)
expose(endless)
