-- Two scripts talk over TCP: what one sends comes back, in its order, until one has no more to say.
local function yes(was) return was and "yes" or "no" end
local served
timer.after(0, function()
  served = serve()
  host.signal("served")
end)
local c = net.connect("127.0.0.1", port)
print(net.peer(c).host .. " " .. yes(net.peer(c).port == port))
print(net.address(c).host .. " " .. yes(net.address(c).port ~= port))

print(host.show(net.send(c, "hello")))
print(net.recv_exact(c, 5))
-- What is sent in pieces comes as one stream.
net.send(c, "one ")
net.send(c, "two ")
net.send(c, "three")
print(net.recv_exact(c, 4) .. net.recv_exact(c, 9))
net.send(c, "")
net.send(c, "grüße 🦀\nsecond line\r\n")
print(net.recv_line(c))
print(net.recv_line(c))
-- No more than is wanted is taken.
net.send(c, "abcdef")
print(net.recv(c, 1) .. " " .. net.recv_exact(c, 5))

-- Who has no more to say may still listen.
net.shutdown(c)
local rest, data = "", net.recv(c)
while data do
  rest = rest .. data
  data = net.recv(c)
end
print(rest)
print(host.show(net.recv(c)))
print(host.show(net.recv_line(c)))
host.wait("served")
print(served)
print(yes(net.close(c)) .. ", " .. yes(net.close(c)))
