' What must run in the end runs: after a result, after an error, and from the inside out. It may
' wait.
def caught(f)
  r = try(f)
  if r("ok") then print r("value"); else print r("kind"), ": ", r("message");
enddef
caught(lambda () (return guarded(lambda () (return "fine"))))
caught(lambda () (return guarded(lambda () (host.fail("busy", "no room")))))
caught(lambda () (return guarded(lambda () (raise("text")))))
def closed()
  print "closed by ", host.later("case");
enddef
caught(lambda () (
  return host.apply(lambda () (
    return finally(lambda () (
      return guarded(lambda () (host.fail_later("denied", "not you")))
    ), closed)
  ))
))
