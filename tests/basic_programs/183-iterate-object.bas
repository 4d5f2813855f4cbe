class range
  var low = 0
  var high = 0
  var at = 0
  def set_up(a, b)
    low = a
    high = b
    return me
  enddef
  def _iterator()
    at = low - 1
    return me
  enddef
  def _move_next()
    at = at + 1
    return at <= high
  enddef
  def _get()
    return at
  enddef
endclass
r = new(range)
r.set_up(3, 5)
for x in r
  print x, " "
next
for x in r
  if x = 4 then exit
  print x, " "
next
print ;
