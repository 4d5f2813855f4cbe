listener = net.listen("127.0.0.1", 0)
expose("port", get(net.address(listener), "port"))
def serve()
  c = net.accept(listener)
  data = net.recv(c)
  while data
    net.send(c, data)
    data = net.recv(c)
  wend
  net.send(c, "that was all")
  net.close(c)
  return "served in " + host.name()
enddef
expose(serve)
