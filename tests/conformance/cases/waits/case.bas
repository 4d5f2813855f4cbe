' A wait is an expression like any other, wherever it stands.
print host.later(1) + host.later(2) * host.later(3);
print host.add(host.later(1), host.later(2));
print host.show(list(host.later("a"), list(host.later("b"))));
print slowly(lambda (x) (return host.later(x + "!")), "slow");
if host.later(true) then print "true";
n = 0
while host.later(n) < 3
  n = n + host.later(1)
wend
print n;
for i = 1 to host.later(2)
  print "twice";
next
f = lambda () (return host.later("called"))
print f();
' In what handles an error.
r = try(host.fail_later, "busy", "no room")
print host.later(r("kind"));
r = try(lambda () (
  problem = try(host.fail_later, "denied", "not you")
  return host.later(problem("message"))
))
print r("value");
