def pong(n)
  if n = 0 then return "done in other"
  return ping(n - 1)
enddef
expose(pong)
