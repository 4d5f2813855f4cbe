def nothing()
enddef
def mixed(n)
  if n = 1 then return 1
  if n = 2 then return "two"
  if n = 3 then return list(3)
  if n = 4 then return nil
  if n = 5 then return
enddef
for i = 1 to 6
  r = mixed(i)
  print type(r), " "
next
r = nothing()
print r;
