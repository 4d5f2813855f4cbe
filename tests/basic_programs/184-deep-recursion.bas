def down(n)
  if n = 0 then return 0
  return 1 + down(n - 1)
enddef
print down(1000);
