calls = 0
def stuck()
  calls = calls + 1
  finally(lambda () (
    host.hang()
    print "never printed";
  ), lambda () (host.cleaned("other")))
enddef
def calls_there()
  return calls
enddef
expose(stuck)
expose(calls_there)
