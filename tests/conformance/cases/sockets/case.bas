' Two scripts talk over TCP: what one sends comes back, in its order, until one has no more to say.
def yes(was)
  if was then return "yes"
  return "no"
enddef
served = ""
timer.after(0, lambda () (
  served = serve()
  host.signal("served")
))
c = net.connect("127.0.0.1", port)
peer = net.peer(c)
address = net.address(c)
print peer("host"), " ", yes(peer("port") = port);
print address("host"), " ", yes(address("port") <> port);

print host.show(net.send(c, "hello"));
print net.recv_exact(c, 5);
' What is sent in pieces comes as one stream.
net.send(c, "one ")
net.send(c, "two ")
net.send(c, "three")
print net.recv_exact(c, 4) + net.recv_exact(c, 9);
net.send(c, "")
net.send(c, "grüße 🦀" + chr(10) + "second line" + chr(13) + chr(10))
print net.recv_line(c);
print net.recv_line(c);
' No more than is wanted is taken.
net.send(c, "abcdef")
print net.recv(c, 1), " ", net.recv_exact(c, 5);

' Who has no more to say may still listen.
net.shutdown(c)
rest = ""
data = net.recv(c)
while data
  rest = rest + data
  data = net.recv(c)
wend
print rest;
print host.show(net.recv(c));
print host.show(net.recv_line(c));
host.wait("served")
print served;
print yes(net.close(c)), ", ", yes(net.close(c));
