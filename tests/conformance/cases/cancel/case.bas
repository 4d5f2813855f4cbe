' A call that is given up runs its cleanup and goes no further; its context stays usable.
calls = 0
for i = 1 to 3
  print host.show(host.cancel(call(stuck), 1));
  print calls_there();
  print host.show(host.cancel(lambda () (
    calls = calls + 1
    finally(lambda () (
      host.hang()
      print "never printed";
    ), lambda () (host.cleaned("case")))
  ), 1));
  print calls;
next
print host.later("still here");
