' What the tests of pairs need of a context: ME is its name, OTHER that of its partner.
kept = nil

' Values.
expose("ME.echo", lambda (v) (return v))
expose("ME.relay", lambda (v) (return OTHER.echo(v)))
expose("ME.keep", lambda (v) (kept = v))
expose("ME.kept", lambda (unused) (return kept))
expose("ME.publish", lambda (v) (expose("ME.data", v)))
expose("ME.look", lambda (unused) (return OTHER.data))
def forget()
  kept = nil
  gc()
enddef
expose("ME.drop", forget)

' Functions.
expose("ME.make", lambda (sum) (return lambda (x) (sum = sum + x : return sum)))
expose("ME.apply", lambda (f, x) (return f(x)))
expose("ME.use", lambda (x) (return kept(x)))
def callback(x)
  seen = nil
  result = OTHER.apply(lambda (y) (seen = y : return y + "!"), x)
  return list(seen, result)
enddef
expose("ME.callback", callback)
def fetch(x)
  add = OTHER.make(10)
  add(x)
  return add(x)
enddef
expose("ME.fetch", fetch)
expose("ME.lend", lambda () (OTHER.keep(lambda (x) (return "of ME: " + x))))
def comes_home()
  f = lambda () (return)
  l = OTHER.echo(list(f))
  g = l(0)
  return OTHER.echo(f) = f and g = f
enddef
expose("ME.comes_home", comes_home)
expose("ME.forward", lambda (x) (return THIRD.apply(OTHER.make(5), x)))

' Depth.
def bounce(n)
  if n = 0 then return 0
  return 1 + OTHER.bounce(n - 1)
enddef
expose("ME.bounce", bounce)
def fathom()
  r = try(OTHER.bounce, 1000000)
  return list(r("ok"), r("kind"))
enddef
expose("ME.fathom", fathom)

' Errors.
expose("ME.raise", lambda (message) (raise(message, dict("code", 7))))
def fall(n)
  if n = 0 then raise("fell", dict("code", 7))
  result = OTHER.fall(n - 1)
  return result
enddef
expose("ME.fall", fall)
def catch(message)
  r = try(OTHER.raise, message)
  p = r("payload")
  return list(r("kind"), r("message"), p("code"))
enddef
expose("ME.catch", catch)
expose("ME.rethrow", lambda (message) (r = try(OTHER.raise, message) : raise(r)))
expose("ME.fail", lambda (kind) (fail(kind, "what went wrong")))
def caught(kind)
  r = try(OTHER.fail, kind)
  t = r("trace")
  return list(r("kind"), r("message"), len(t) > 0)
enddef
expose("ME.caught", caught)
