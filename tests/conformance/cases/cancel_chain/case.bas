' A call that is given up takes every call below it along, in all contexts.
def guarded(name, f)
  return finally(f, lambda () (host.cleaned(name)))
enddef
def innermost()
  return guarded("case, innermost", call(host.hang))
enddef
def inside()
  return guarded("case, inside", lambda () (return enter(call(innermost))))
enddef
def chain()
  return guarded("case, outside", lambda () (return enter(call(inside))))
enddef
print host.show(host.cancel(call(chain), 5));
print host.show(host.cancel(call(chain), 5));
r = try(enter, lambda () (host.fail("busy", "no room")))
print r("kind");
