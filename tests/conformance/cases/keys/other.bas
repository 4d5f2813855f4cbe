def mirror(value)
  return value
enddef
expose(mirror)
expose("get", lambda (map, key) (return map(key)))
