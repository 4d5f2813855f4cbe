def even(n)
  if n = 0 then return 1
  return call odd(n - 1)
enddef
def odd(n)
  if n = 0 then return 0
  return even(n - 1)
enddef
print even(10); odd(7); even(7);
