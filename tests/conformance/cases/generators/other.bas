def double(n)
  return host.later(n * 2)
enddef
expose(double)
