local listener = net.listen("127.0.0.1", 0)
expose("port", net.address(listener).port)
net.on_connect(listener, function(c)
  local who
  net.on_data(c, function(data)
    who = who or data:sub(1, 1)
    -- What comes while a callback waits is kept for the next.
    host.later(0)
    net.send(c, data)
  end)
  net.on_close(c, function()
    if who then host.signal("closed " .. who) end
  end)
end)
expose("stop", function() return net.close(listener) and "stopped" or "was stopped" end)
