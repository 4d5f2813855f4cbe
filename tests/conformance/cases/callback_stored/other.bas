bell = nil
def keep(f)
  bell = f
enddef
def ring(x)
  return bell(x)
enddef
expose(keep)
expose(ring)
