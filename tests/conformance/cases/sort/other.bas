def compared(a, b)
  x = host.later(a)
  y = host.later(b)
  if x < y then return -1
  if x > y then return 1
  return 0
enddef
expose(compared)
