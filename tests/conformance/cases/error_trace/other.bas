def through(f)
  return f()
enddef
expose(through)
