def double(n)
  return n * 2
enddef
expose(double)
expose("season", "winter")
