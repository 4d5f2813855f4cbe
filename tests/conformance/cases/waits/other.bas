def slowly(f, x)
  return host.later(f(host.later(x)))
enddef
expose(slowly)
