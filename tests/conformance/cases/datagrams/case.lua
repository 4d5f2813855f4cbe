-- Datagrams arrive whole, each by itself, with the address of who sent it.
local u = net.udp_bind("127.0.0.1", 0)
net.send_to(u, "127.0.0.1", port, "grüße\n")
answer()
local message = net.recv_from(u)
print(message.data .. message.host .. " " .. (message.port == port and "yes" or "no"))
print(net.recv_from(u).data)

local own = net.address(u).port
net.send_to(u, "127.0.0.1", own, "a longer one than there is room for")
net.send_to(u, "127.0.0.1", own, "")
net.send_to(u, "127.0.0.1", own, "fits")
print("[" .. net.recv_from(u, 4).data .. "]")
print("[" .. net.recv_from(u, 4).data .. "]")

local function kind(f, ...)
  local ok, e = pcall(f, ...)
  print(ok and "fine" or e.kind)
end
kind(net.send_to, u, "10.0.0.1", 9, "x")
kind(net.udp_bind, "0.0.0.0", 0)
kind(net.udp_bind, "127.0.0.1", own)
kind(net.recv, u)
kind(net.send, u, "x")
net.timeout(u, 5)
kind(net.recv_from, u)
print(net.close(u) and "closed")
kind(net.recv_from, u)
