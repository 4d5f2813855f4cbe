' A native that wants an int or a real gets it from any number that is one, and loses nothing.
def attempt(f, ...)
  r = try(f, ...)
  if r("ok") then print "fine"; else print r("kind"), ": ", r("message");
enddef
print host.show(host.half(3));
print host.show(host.half(0.25));
print host.add(6 / 2, 1);
print host.add(val("-0.0"), 5);
print host.show(host.add(9007199254740992, 1));
attempt(call(host.add), 2.5, 1)
attempt(call(host.add), 1, 0 / 0)
attempt(call(host.add), 1, 1 / 0)
attempt(call(host.add), 1e300, 1)
attempt(call(host.add), 9223372036854775807, 1)
attempt(call(host.half), 9007199254740993)
attempt(call(host.half), 9007199254740992)
