local log = {}
expose("first", function()
  host.wait("second waits")
  log[#log + 1] = "first ends"
  host.signal("first ended")
  return "first"
end)
expose("second", function()
  host.signal("second waits")
  host.wait("first ended")
  log[#log + 1] = "second ends"
  return "second"
end)
expose("log", function() return log end)
