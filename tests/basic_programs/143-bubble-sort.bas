l = list(5, 2, 9, 1, 7)
n = len(l)
for i = 0 to n - 2
  for j = 0 to n - 2 - i
    if l(j) > l(j + 1) then
      t = l(j)
      l(j) = l(j + 1)
      l(j + 1) = t
    endif
  next
next
for x in l
  print x, " "
next
print ;
s = "a,b,,c"
parts = list()
word = ""
for i = 0 to len(s) - 1
  c = mid(s, i, 1)
  if c = "," then
    push(parts, word)
    word = ""
  else
    word = word + c
  endif
next
push(parts, word)
print len(parts); parts(3);
