listener = net.listen("127.0.0.1", 0)
expose("port", get(net.address(listener), "port"))
def connected(c)
  lines = 0
  net.on_data(c, lambda (data) (
    lines = lines + 1
    ' What comes while a callback waits is kept for the next.
    host.later(0)
    net.send(c, data)
  ))
  net.on_close(c, lambda () (
    if lines > 0 then host.signal("closed")
  ))
enddef
net.on_connect(listener, call(connected))
def stop()
  if net.close(listener) then return "stopped"
  return "was stopped"
enddef
expose(stop)
