' A stream is read line by line; a line that is too long for a call is there for the next.
timer.after(0, call(dictate))
c = net.connect("127.0.0.1", port)
def line(most)
  print "[", net.recv_line(c, most), "]";
enddef
line(nil)
line(3)
line(1)
line(7)
e = try(net.recv_line, c, 10)
print e("kind");
print net.recv_exact(c, 4);
line(13)
line(7)
net.send(c, "go on" + chr(10))
line(nil)
print host.show(net.recv_line(c));
