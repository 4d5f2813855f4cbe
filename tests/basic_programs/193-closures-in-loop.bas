fs = list()
def make(n)
  return lambda (x) (return x * n)
enddef
for i = 1 to 3
  push(fs, make(i * 10))
next
t = 0
for f in fs
  t = t + f(2)
next
print t;
