local path = host.folder .. "/greeter"
local listener = net.listen_unix(path)
expose("path", path)
net.on_connect(listener, function(c)
  local name = net.recv_line(c)
  while name do
    net.send(c, "hello " .. name .. "\n")
    name = net.recv_line(c)
  end
  net.close(c)
end)
expose("is_there", function() return net.address(listener).path == path and "there" or "elsewhere" end)
expose("stop", function() net.close(listener) end)
