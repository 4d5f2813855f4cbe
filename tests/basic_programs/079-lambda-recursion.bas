fact = lambda (n) (
  if n <= 1 then return 1
  return n * fact(n - 1)
)
print fact(5);
