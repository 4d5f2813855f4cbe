d = dict("a", 1)
for k in d
  d("b") = 2
next
