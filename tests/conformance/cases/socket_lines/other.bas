listener = net.listen("127.0.0.1", 0)
expose("port", get(net.address(listener), "port"))
def dictate()
  c = net.accept(listener)
  ' One line after another, in pieces that end anywhere.
  net.send(c, "one" + chr(13))
  net.send(c, chr(10) + "two" + chr(10) + chr(10))
  net.send(c, " three " + chr(13) + chr(10))
  net.send(c, "too long for some" + chr(10) + "as long" + chr(10))
  net.recv_line(c)
  net.send(c, "last")
  net.close(c)
enddef
expose(dictate)
