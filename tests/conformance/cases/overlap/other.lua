local log = {}
expose("first", function()
  log[#log + 1] = "first begins"
  host.wait("go")
  log[#log + 1] = "first ends"
  return "first"
end)
expose("second", function()
  log[#log + 1] = "second begins"
  host.signal("go")
  log[#log + 1] = "second ends"
  return "second"
end)
expose("log", function() return log end)
