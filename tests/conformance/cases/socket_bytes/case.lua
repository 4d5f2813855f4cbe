-- Bytes come back as they were sent, all 256 of them, and are bytes whatever they contain.
local function describe(bytes)
  local sum = 0
  for i = 1, #bytes do sum = sum + bytes:byte(i) end
  print(#bytes .. " bytes, together " .. sum)
end
local all = {}
for i = 0, 255 do all[#all + 1] = string.char(i) end
all = table.concat(all)
local c = net.connect("127.0.0.1", port)
net.send(c, all)
local back = net.recv_exact(c, 256)
describe(back)
print(back == all and "the same" or "others")

-- A text goes as UTF-8.
net.send(c, "grüße\n")
print(net.recv_line(c))
-- So do many, more than fit on the way at once.
local large = all:rep(4096)
timer.after(0, function() net.send(c, large) end)
local got = 0
while got < #large do got = got + #net.recv(c) end
print(got)
net.send(c, "\0\n\255")
describe(net.recv_line(c))
describe(net.recv(c))
