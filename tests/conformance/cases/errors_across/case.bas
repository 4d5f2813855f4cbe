' An error that crosses languages, there and back, keeps kind, message and payload.
def caught(f, ...)
  r = try(f, ...)
  print r("kind"), " | ", r("message"), " | ", host.show(r("payload"));
enddef
caught(call(fail_with), 7)
caught(call(through), lambda () (raise("own", dict("code", 8, "message", "own"))))
caught(call(through), lambda () (fail_with(9)))
caught(call(through), lambda () (
  return through(lambda () (return through(lambda () (fail_with(10)))))
))
caught(call(through), lambda () (host.fail("denied", "not you", dict("level", 3))))
caught(call(host.apply), lambda () (
  return host.apply(call(through), lambda () (host.fail_later("range", "far", list(1, 2))))
))
caught(call(through), lambda () (raise("text")))
