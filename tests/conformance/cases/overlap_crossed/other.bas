entries = list()
def first()
  host.wait("second waits")
  push(entries, "first ends")
  host.signal("first ended")
  return "first"
enddef
def second()
  host.signal("second waits")
  host.wait("first ended")
  push(entries, "second ends")
  return "second"
enddef
expose(first)
expose(second)
expose("log", lambda () (return entries))
