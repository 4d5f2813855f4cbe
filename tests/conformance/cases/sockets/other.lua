local listener = net.listen("127.0.0.1", 0)
expose("port", net.address(listener).port)
expose("serve", function()
  local c = net.accept(listener)
  local data = net.recv(c)
  while data do
    net.send(c, data)
    data = net.recv(c)
  end
  net.send(c, "that was all")
  net.close(c)
  return "served in " .. host.name()
end)
