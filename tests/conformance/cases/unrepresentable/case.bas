' A value in a circle, or nested too deep, is an error of its own kind, as argument and as result.
def attempt(f, ...)
  r = try(f, ...)
  if r("ok") then print "fine"; else print r("kind");
enddef
def nested(depth)
  value = list()
  for i = 2 to depth
    value = list(value)
  next
  return value
enddef
circle = dict()
circle("list") = list(circle)
attempt(call(host.count), circle)
attempt(call(mirror), circle)
attempt(call(endless))
attempt(call(host.apply), lambda () (return circle))
attempt(call(mirror), nested(64))
attempt(call(host.count), nested(65))
attempt(call(mirror), nested(65))
attempt(call(host.apply), lambda () (return nested(65)))
' What occurs twice without a circle is copied.
part = list(1)
print host.show(mirror(list(part, part)));
