' Runs `f`, and says so when it is over, however it ends.
def closed()
  print "closed by ", host.later("other");
enddef
def guarded(f)
  return finally(f, closed)
enddef
expose(guarded)
