' When a context closes, what must run in the end runs in its calls; who waits for them is told.
results = host.together(lambda () (
  return finally(lambda () (
    r = try(stuck)
    return r("kind")
  ), lambda () (print "closed by case";))
), lambda () (
  host.wait("stuck")
  host.close("other")
  return "closed"
))
print host.show(results);
