' When a context closes, its functions are dead and its names are free.
def attempt(f, ...)
  r = try(f, ...)
  if r("ok") then print "fine"; else print r("kind");
enddef
made = make()
print work();
print made();
print fact;
host.close("other")
attempt(made)
attempt(lambda () (f = call("work"): return f()))
r = try(lambda () (return work()))
if r("ok") then print "there"; else print "not there";
f = call(host.echo)
print host.show(f(1));
expose("work", lambda () (return "worked here"))
print work();
attempt(made)
