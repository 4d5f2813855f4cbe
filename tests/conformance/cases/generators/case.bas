' Values are made one by one, on demand, and both who makes them and who takes them may wait.
def doubled(first, last)
  at = first - 1
  return lambda () (
    if at = last then return nil
    at = at + 1
    return double(host.later(at))
  )
enddef
following = doubled(1, 3)
n = following()
while n <> nil
  print host.later(n);
  n = following()
wend
' Two that take turns.
a = doubled(10, 12)
b = doubled(20, 22)
for i = 1 to 3
  print a();
  print b();
next
' One that goes through a function of another call.
c = doubled(30, 31)
print host.apply(lambda () (return c()));
print c();
' One that fails in the middle.
begun = false
d = lambda () (
  if begun then host.fail_later("busy", "no room")
  begun = true
  return "before"
)
print d();
r = try(d)
print r("kind"), ": ", r("message");
