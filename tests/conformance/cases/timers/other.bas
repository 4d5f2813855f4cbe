def ring()
  print "ring in ", host.name();
  host.signal("rung")
enddef
def answer(n)
  timer.sleep(1)
  return n + 1
enddef
def cancel_here(id)
  if timer.cancel(id) then return "yes"
  return "no"
enddef
expose(ring)
expose(answer)
expose(cancel_here)
