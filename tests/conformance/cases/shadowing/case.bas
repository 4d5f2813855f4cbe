' A script's own global goes before natives, exports and data, but only in its own context.
def twice(n)
  return "own " + str(n)
enddef
def greet()
  return "own"
enddef
season = "summer"
motto = 7
print twice(2);
print greet();
print season;
print motto;
f = call("twice")
print f(2);
f = call("greet")
print f();
print host.show(as_seen_there());
