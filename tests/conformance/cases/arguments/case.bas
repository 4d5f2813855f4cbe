' Arguments are counted and never made to fit: a text is no number, and nothing passes silently.
def attempt(f, ...)
  r = try(f, ...)
  if r("ok") then print "fine"; else print r("kind"), ": ", r("message");
enddef
attempt(call(host.add))
attempt(call(host.add), 1)
attempt(call(host.add), 1, 2, 3)
attempt(call(host.add), "1", 2)
attempt(call(host.add), nil, 2)
attempt(call(host.add), list(1), 2)
attempt(call(host.add), lambda () (return), 2)
attempt(call(host.chars), 7)
attempt(call(host.half), "0.5")
attempt(call(host.apply), "host.add")
attempt(call(host.keys), list(1, 2))
attempt(call(host.keys), 1)
attempt(call(host.fail), "no such kind", "")
print host.count();
print host.count(nil);
print host.count(1, nil, 3);
print host.count(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20);
