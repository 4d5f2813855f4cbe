class countdown
  var n = 0
  def _iterator()
    n = 4
    return me
  enddef
  def _move_next()
    n = n - 1
    return n
  enddef
  def _get()
    return n
  enddef
endclass
def total(of)
  sum = 0
  last = 0
  for x in of
    sum = sum + x
    last = x
  next
  return sum * 10 + last
enddef
print total(new(countdown));
