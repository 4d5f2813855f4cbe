def mirror(value)
  return value
enddef
expose(mirror)
