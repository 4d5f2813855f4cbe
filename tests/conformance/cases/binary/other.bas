def mirror(bytes)
  return bytes
enddef
def length(bytes)
  return len(bytes)
enddef
expose(mirror)
expose(length)
