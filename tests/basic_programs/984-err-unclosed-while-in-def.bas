def f()
  while 1
enddef
f()
