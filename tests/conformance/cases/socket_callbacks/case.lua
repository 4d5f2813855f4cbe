-- Scripts are called back for what comes to their sockets: each piece in its order, the end once.
local function receive(c, wanted, done)
  local got = ""
  net.on_data(c, function(data)
    got = got .. data
    host.later(0)
    if #got == wanted then host.signal(done) end
  end)
  return function() return got end
end

-- Several at once do not mix.
local sockets, received = {}, {}
for i = 1, 3 do
  sockets[i] = net.connect("127.0.0.1", port)
  received[i] = receive(sockets[i], 12, "all of " .. i)
end
for round = 1, 4 do
  for i = 1, 3 do net.send(sockets[i], i .. ":" .. round) end
end
for i = 1, 3 do
  host.wait("all of " .. i)
  print(received[i]())
end

-- Who has a callback for what comes gets it, and nobody else.
local function kind(f, ...)
  local _, e = pcall(f, ...)
  print(e.kind)
end
kind(net.recv, sockets[1])
kind(net.on_data, sockets[1], print)
kind(net.on_connect, sockets[1], print)

-- The other side hears of the end, once.
net.close(sockets[2])
host.wait("closed 2")
-- So does this one, by its own callback, when the other side is gone.
net.on_close(sockets[1], function()
  print("closed here")
  host.signal("closed here")
end)
kind(net.on_close, sockets[1], print)
net.close(sockets[1])
host.wait("closed here")
host.wait("closed 1")
kind(net.send, sockets[1], "more")

print(stop())
print(stop())
kind(net.connect, "127.0.0.1", port)
