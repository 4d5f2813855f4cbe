-- A chat server for plain clients such as nc: what somebody types goes to everybody else.
--
--   calog run --allow-net=127.0.0.1 examples/chat/commands.bas examples/chat/log.js \
--     examples/chat/server.lua [-- PORT]
--
-- What a line means is decided by commands.bas, and what the log looks like by log.js, each a context
-- of its own. Here are the sockets, and who is there.
--
-- Each client has a call of its own, which reads a line, does what it says and reads the next: it
-- waits as if there were nobody else. What is for a client goes into a queue and is sent beside that,
-- so nobody waits for those who read slowly, and who does not read at all is dropped before its
-- queue takes much.

local port = math.tointeger(tonumber(args[1] or 7070))
if not port then
  error("the port must be a number, not " .. args[1], 0)
end

local most_clients = 250
local most_of_a_line = 2000 -- bytes
local most_waiting = 64 * 1024 -- bytes in the queue of one client
local most_at_once = 16 * 1024 -- bytes that are sent in one piece, or one line
local patience = 3000 -- milliseconds for the last words to a client that leaves

local clients, names, count, guests = {}, {}, 0, 0

local function note(event)
  print(log.line(event))
end

-- Takes some of what waits for a client out of its queue.
local function next_piece(client)
  local piece, bytes = {}, 0
  repeat
    local line = client.waiting[client.first]
    client.waiting[client.first] = nil
    client.first = client.first + 1
    piece[#piece + 1] = line
    bytes = bytes + #line
  until client.first > client.last or bytes >= most_at_once
  client.bytes = client.bytes - bytes
  return table.concat(piece)
end

-- Sends what waits for a client, until nothing does.
local function flush(client)
  while client.first <= client.last do
    if not pcall(net.send, client.socket, next_piece(client)) then
      -- Whoever reads from it hears of that as well.
      break
    end
  end
  client.is_flushing = false
  if client.deadline then
    timer.cancel(client.deadline)
    net.close(client.socket)
  end
end

local function send_later(client, line)
  client.bytes = client.bytes + #line
  if client.bytes > most_waiting then
    -- Whoever reads from it says goodbye.
    client.why = "was dropped: it does not read"
    net.close(client.socket)
    return
  end
  client.last = client.last + 1
  client.waiting[client.last] = line
  if not client.is_flushing then
    client.is_flushing = true
    timer.after(0, function() flush(client) end)
  end
end

local function tell(client, text)
  send_later(client, text .. "\n")
end

-- Nothing waits in here, so all get all lines in one order.
local function tell_all(text, but)
  local line = text .. "\n"
  for _, client in pairs(clients) do
    if client ~= but then
      send_later(client, line)
    end
  end
end

local function free_guest_name()
  local name
  repeat
    guests = guests + 1
    name = "guest" .. guests
  until not names[name]
  return name
end

local function join(socket)
  local client = { socket = socket, name = free_guest_name(), waiting = {}, first = 1, last = 0, bytes = 0 }
  clients[socket], names[client.name] = client, client
  count = count + 1
  tell(client, "* you are " .. client.name .. ", and " .. count .. " are here; " .. commands.help)
  tell_all("* " .. client.name .. " has joined", client)
  return client
end

local function leave(client, why)
  clients[client.socket], names[client.name:lower()] = nil, nil
  count = count - 1
  tell_all("* " .. client.name .. " " .. why)
  if client.is_flushing then
    -- Its last words are on their way; who does not take them must not stay for ever.
    client.deadline = timer.after(patience, function() net.close(client.socket) end)
  else
    net.close(client.socket)
  end
  note { kind = "left", name = client.name, why = why, count = count }
end

local function rename(client, name)
  local owner = names[name:lower()]
  if owner and owner ~= client then
    tell(client, "! there is a " .. owner.name .. " already")
    return
  end
  local before = client.name
  names[before:lower()], names[name:lower()] = nil, client
  client.name = name
  tell_all("* " .. before .. " is now " .. name)
  note { kind = "renamed", before = before, name = name }
end

local function who()
  local all = {}
  for _, client in pairs(clients) do
    all[#all + 1] = client.name
  end
  table.sort(all)
  return table.concat(all, " ")
end

-- What may go to somebody's terminal: text without anything that moves its cursor.
local function plain(line)
  return (line:gsub("%c", " "):gsub("\xC2[\x80-\x9F]", " "))
end

-- Does what a client has typed. If it leaves, the result says how.
local function obey(client, line)
  if not utf8.len(line) then
    tell(client, "! that was not UTF-8")
    return nil
  end
  local wish = commands.parse(plain(line))
  if wish.kind == "say" then
    tell_all(client.name .. ": " .. wish.text, client)
    note { kind = "said", name = client.name, text = wish.text }
  elseif wish.kind == "me" then
    tell_all("* " .. client.name .. " " .. wish.text)
    note { kind = "did", name = client.name, text = wish.text }
  elseif wish.kind == "nick" then
    rename(client, wish.name)
  elseif wish.kind == "who" then
    tell(client, "* here: " .. who())
  elseif wish.kind == "help" then
    tell(client, "* " .. commands.help)
  elseif wish.kind == "wrong" then
    tell(client, "! " .. wish.text)
  elseif wish.kind == "quit" then
    tell(client, "* goodbye")
    return wish.text == "" and "has left" or "has left: " .. wish.text
  end
  return nil
end

local function converse(client)
  local peer, left = net.peer(client.socket), nil
  note { kind = "joined", name = client.name, host = peer.host, port = peer.port, count = count }
  repeat
    local line = net.recv_line(client.socket, most_of_a_line)
    left = line and obey(client, line) or not line and "has left"
  until left
  return left
end

-- What there is to say of a conversation that ends by an error, if it is one that clients cause.
local function reason(client, problem)
  if problem.kind == "range" then
    tell(client, "! a line has at most " .. most_of_a_line .. " bytes")
    return "was dropped: its line was too long"
  elseif problem.kind == "transport" then
    return "is gone"
  end
  return client.why
end

local function attend(socket)
  if count >= most_clients then
    local peer = net.peer(socket)
    note { kind = "full", host = peer.host, port = peer.port }
    net.close(socket)
    return
  end
  local client = join(socket)
  local fine, result = pcall(converse, client)
  local why = fine and result or reason(client, result)
  leave(client, why or "is gone: the server has made a mistake")
  if not why then
    error(result, 0)
  end
end

local listener = net.listen("127.0.0.1", port)
local here = net.address(listener)
note { kind = "listening", host = here.host, port = here.port }
net.on_connect(listener, attend)
