' A native that panics is an error like any other, and nobody is worse for it.
for i = 1 to 3
  r = try(host.panic)
  print r("kind"), ": ", r("message");
next
r = try(panic_there)
print r("kind"), ": ", r("message");
print host.add(1, 2);
