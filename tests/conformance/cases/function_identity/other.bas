own = lambda () (return "theirs")
def mirror(f)
  return f
enddef
def give()
  return own
enddef
def is_own(f)
  if f = own then return "own"
  return "another"
enddef
expose(mirror)
expose(give)
expose(is_own)
