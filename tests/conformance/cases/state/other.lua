local count = 0
local log = {}
expose("tick", function(name)
  count = count + 1
  log[#log + 1] = name
  return count
end)
expose("logged", function() return log end)
