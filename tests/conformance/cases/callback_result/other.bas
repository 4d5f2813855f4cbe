def counter(start)
  n = start
  return lambda (amount) (
    n = n + amount
    return n
  )
enddef
def adder(a)
  return lambda (b) (return lambda (c) (return a + b + c))
enddef
expose(counter)
expose(adder)
