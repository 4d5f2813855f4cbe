u = net.udp_bind("127.0.0.1", 0)
expose("port", get(net.address(u), "port"))
def answer()
  message = net.recv_from(u)
  net.send_to(u, message("host"), message("port"), "for " + host.name() + ": ")
  net.send_to(u, message("host"), message("port"), message("data"))
enddef
expose(answer)
