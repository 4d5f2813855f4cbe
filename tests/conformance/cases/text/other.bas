def mirror(text)
  return text
enddef
def join(a, b)
  return a + b
enddef
expose(mirror)
expose(join)
