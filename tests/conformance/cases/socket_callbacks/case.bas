' Scripts are called back for what comes to their sockets: each piece in its order, the end once.
def receive(c, wanted, done)
  got = ""
  net.on_data(c, lambda (data) (
    got = got + data
    host.later(0)
    if len(got) = wanted then host.signal(done)
  ))
  return lambda () (return got)
enddef

' Several at once do not mix.
sockets = list(0)
received = list(0)
for i = 1 to 3
  push(sockets, net.connect("127.0.0.1", port))
  push(received, receive(sockets(i), 12, "all of " + str(i)))
next
for turn = 1 to 4
  for i = 1 to 3
    net.send(sockets(i), str(i) + ":" + str(turn))
  next
next
for i = 1 to 3
  host.wait("all of " + str(i))
  f = received(i)
  print f();
next

' Who has a callback for what comes gets it, and nobody else.
def kind(e)
  print e("kind");
enddef
nothing = lambda () (return 0)
kind(try(net.recv, sockets(1)))
kind(try(net.on_data, sockets(1), nothing))
kind(try(net.on_connect, sockets(1), nothing))

' The other side hears of the end, once.
net.close(sockets(2))
host.wait("closed 2")
' So does this one, by its own callback, when the other side is gone.
net.on_close(sockets(1), lambda () (
  print "closed here";
  host.signal("closed here")
))
kind(try(net.on_close, sockets(1), nothing))
net.close(sockets(1))
host.wait("closed here")
host.wait("closed 1")
kind(try(net.send, sockets(1), "more"))

print stop();
print stop();
kind(try(net.connect, "127.0.0.1", port))
