dim a(2, 2)
n = 0
for i = 0 to 1
  for j = 0 to 1
    n = n + 1
    a(i, j) = n / 2
  next
next
s = 0
for i = 0 to 1
  for j = 0 to 1
    s = s + a(i, j)
  next
next
print s, " ", a(1, 1), " ", type(a(1, 1)), " ", type(a(1, 1) * 1);
dim w$(2)
w$(1) = "b"
print len(w$(0)), w$(1);
