' What can go wrong with a socket has one kind of error in every language, and nothing is lost by it.
def kind(e)
  if e("ok") then print "fine"; else print e("kind");
enddef
' Only 127.0.0.1 is allowed here.
kind(try(net.connect, "10.0.0.1", 80))
kind(try(net.connect, "127.0.0.2", 80))
kind(try(net.connect, "example.com", 80))
kind(try(net.listen, "0.0.0.0", 0))
kind(try(net.listen, "::1", 0))
print "";

listener = net.listen("127.0.0.1", 0)
port = get(net.address(listener), "port")
kind(try(net.listen, "127.0.0.1", port))
client = net.connect("127.0.0.1", port)
server = net.accept(listener)
print "";

' Handles that are something else, or somebody else's, or nothing.
kind(try(net.recv, listener))
kind(try(net.accept, client))
kind(try(net.peer, listener))
kind(try(net.recv, elsewhere))
kind(try(net.recv, 123456789))
kind(try(net.recv, -1))
kind(try(net.recv, "x"))
kind(try(net.close, 123456789))
print "";

' Sizes, ports and times.
kind(try(net.recv, client, 0))
kind(try(net.recv, client, -1))
kind(try(net.recv_exact, client, -1))
kind(try(net.connect, "127.0.0.1", 65536))
kind(try(net.connect, "127.0.0.1", -1))
kind(try(net.connect, "127.0.0.1", port, -1))
kind(try(net.timeout, client, -1))
kind(try(net.send, client, 42))
kind(try(net.send, client))
print "";

' A wait that is over in vain takes nothing.
net.timeout(client, 5)
kind(try(net.recv, client))
net.send(server, "abc")
kind(try(net.recv_exact, client, 6))
kind(try(net.recv_line, client))
net.timeout(client, nil)
net.send(server, "def" + chr(10))
print net.recv_line(client);
net.timeout(listener, 5)
kind(try(net.accept, listener))
print "";

' What ends while somebody waits for it.
timer.after(0, lambda () (net.close(client)))
kind(try(net.recv, client))
kind(try(net.send, client, "x"))
print host.show(net.recv(server));
another = net.connect("127.0.0.1", port)
net.send(another, "abc")
net.shutdown(another)
kind(try(net.send, another, "more"))
net.timeout(listener, nil)
half = net.accept(listener)
kind(try(net.recv_exact, half, 4))
print net.recv_exact(half, 3);
net.close(listener)
kind(try(net.connect, "127.0.0.1", port))
