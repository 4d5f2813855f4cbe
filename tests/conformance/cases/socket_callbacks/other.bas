listener = net.listen("127.0.0.1", 0)
expose("port", get(net.address(listener), "port"))
def connected(c)
  who = ""
  net.on_data(c, lambda (data) (
    if who = "" then who = left(data, 1)
    ' What comes while a callback waits is kept for the next.
    host.later(0)
    net.send(c, data)
  ))
  net.on_close(c, lambda () (
    if who <> "" then host.signal("closed " + who)
  ))
enddef
net.on_connect(listener, call(connected))
def stop()
  if net.close(listener) then return "stopped"
  return "was stopped"
enddef
expose(stop)
