def before(a, b)
  return host.later(a) < host.later(b)
enddef
expose(before)
