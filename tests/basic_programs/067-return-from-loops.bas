def find(l, x)
  for i = 0 to len(l) - 1
    if l(i) = x then return i
  next
  return -1
enddef
r = find(list(5, 6, 7), 6)
print r;
r = find(list(5, 6, 7), 9)
print r;
def first(l)
  for x in l
    return x
  next
enddef
r = first(list("a", "b"))
print r;
def loop()
  while 1
    do
      return "out"
    until 0
  wend
enddef
r = loop()
print r;
