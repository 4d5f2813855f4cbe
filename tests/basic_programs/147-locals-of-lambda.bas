x = 1
f = lambda () (
  y = 5
  x = x + y
  return x
)
print f(); x; y;
