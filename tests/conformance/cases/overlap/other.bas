entries = list()
def first()
  push(entries, "first begins")
  host.wait("go")
  push(entries, "first ends")
  return "first"
enddef
def second()
  push(entries, "second begins")
  host.signal("go")
  push(entries, "second ends")
  return "second"
enddef
expose(first)
expose(second)
expose("log", lambda () (return entries))
