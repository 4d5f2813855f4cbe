def f(it)
  return 1
enddef
it = iterator(list(1))
f(it)
