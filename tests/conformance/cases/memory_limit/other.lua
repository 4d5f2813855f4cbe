expose("fill", function()
  local items = {}
  for i = 1, 1 << 30 do items[i] = {id = i} end
end)
expose("grow", function()
  local text = "x"
  while true do text = text .. text end
end)
expose("add_there", function(a, b) return a + b end)
