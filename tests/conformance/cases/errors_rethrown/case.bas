' An error that is caught and raised again keeps kind, message and payload.
def caught(f, ...)
  e = try(f, ...)
  print e("kind"), " | ", e("message"), " | ", host.show(e("payload"));
enddef
busy = lambda () (host.fail("busy", "try later", dict("after", 3)))
caught(call(rethrown), busy)
caught(call(rethrown), lambda () (return rethrown(busy)))
caught(call(rethrown), lambda () (
  e = try(busy)
  raise(e)
))
caught(call(rethrown), lambda () (raise("own", dict("code", 7, "message", "own"))))
caught(call(rethrown), lambda () (raise("text")))
caught(call(renamed), busy)
caught(call(rethrown), lambda () (return renamed(busy)))
print rethrown(lambda () (return "fine"));
