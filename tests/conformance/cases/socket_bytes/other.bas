listener = net.listen("127.0.0.1", 0)
expose("port", get(net.address(listener), "port"))
net.on_connect(listener, lambda (c) (
  net.on_data(c, lambda (data) (net.send(c, data)))
))
