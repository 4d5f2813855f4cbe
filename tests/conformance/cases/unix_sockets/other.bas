own_path = host.folder + "/greeter"
listener = net.listen_unix(own_path)
expose("path", own_path)
net.on_connect(listener, lambda (c) (
  name = net.recv_line(c)
  while name
    net.send(c, "hello " + name + chr(10))
    name = net.recv_line(c)
  wend
  net.close(c)
))
def is_there()
  if get(net.address(listener), "path") = own_path then return "there"
  return "elsewhere"
enddef
def stop()
  net.close(listener)
enddef
expose(is_there)
expose(stop)
