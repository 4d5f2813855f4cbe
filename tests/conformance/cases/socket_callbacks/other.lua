local listener = net.listen("127.0.0.1", 0)
expose("port", net.address(listener).port)
net.on_connect(listener, function(c)
  local lines = 0
  net.on_data(c, function(data)
    lines = lines + 1
    -- What comes while a callback waits is kept for the next.
    host.later(0)
    net.send(c, data)
  end)
  net.on_close(c, function()
    if lines > 0 then host.signal("closed") end
  end)
end)
expose("stop", function() return net.close(listener) and "stopped" or "was stopped" end)
