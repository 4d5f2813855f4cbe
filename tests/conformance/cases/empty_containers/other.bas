def mirror(value)
  return value
enddef
def size(items)
  return len(items)
enddef
def no_list()
  return list()
enddef
expose(mirror)
expose(size)
expose(no_list)
