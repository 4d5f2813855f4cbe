' A socket may be a path on this machine; it is gone with who listens there.
print is_there();
c = net.connect_unix(path)
d = net.connect_unix(path)
net.send(c, "one" + chr(10))
net.send(d, "two" + chr(10))
print net.recv_line(d);
print net.recv_line(c);
net.shutdown(c)
print host.show(net.recv(c));

def kind(e)
  if e("ok") then print "fine"; else print e("kind");
enddef
kind(try(net.listen_unix, path))
kind(try(net.connect_unix, host.folder + "/nobody"))
kind(try(net.connect_unix, host.folder + "/../somebody"))
kind(try(net.listen_unix, "/somewhere"))
stop()
kind(try(net.connect_unix, path))
net.send(d, "still here" + chr(10))
print net.recv_line(d);
