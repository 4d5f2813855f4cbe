def f()
  return 1
enddef
x = f
