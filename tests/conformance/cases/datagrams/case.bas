' Datagrams arrive whole, each by itself, with the address of who sent it.
u = net.udp_bind("127.0.0.1", 0)
net.send_to(u, "127.0.0.1", port, "grüße" + chr(10))
answer()
message = net.recv_from(u)
same = "no"
if message("port") = port then same = "yes"
print message("data"), message("host"), " ", same;
print get(net.recv_from(u), "data");

own = get(net.address(u), "port")
net.send_to(u, "127.0.0.1", own, "a longer one than there is room for")
net.send_to(u, "127.0.0.1", own, "")
net.send_to(u, "127.0.0.1", own, "fits")
print "[", get(net.recv_from(u, 4), "data"), "]";
print "[", get(net.recv_from(u, 4), "data"), "]";

def kind(e)
  if e("ok") then print "fine"; else print e("kind");
enddef
kind(try(net.send_to, u, "10.0.0.1", 9, "x"))
kind(try(net.udp_bind, "0.0.0.0", 0))
kind(try(net.udp_bind, "127.0.0.1", own))
kind(try(net.recv, u))
kind(try(net.send, u, "x"))
net.timeout(u, 5)
kind(try(net.recv_from, u))
if net.close(u) then print "closed";
kind(try(net.recv_from, u))
