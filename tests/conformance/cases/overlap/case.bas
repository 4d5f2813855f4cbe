' While one call of a context waits, another one runs; between two waits a call is alone.
print host.show(host.together(call(first), call(second)));
' LOG is a function of the language, so the other's `log` is fetched by its name.
entries = call("log")
print host.show(entries());
print host.show(host.together(lambda () (
  print "own first begins";
  host.wait("own")
  print "own first ends";
  return "own first"
), lambda () (
  print "own second begins";
  host.signal("own")
  print "own second ends";
  return "own second"
)));
