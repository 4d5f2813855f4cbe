def count()
  c = c + 1
  return c
enddef
print count(); count();
def rec(n)
  mine = n
  if n > 0 then rec(n - 1)
  print mine, " "
enddef
rec(3)
print ;
