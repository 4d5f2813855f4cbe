local server
server = http.serve("127.0.0.1:0", function(request)
  local path = request.path
  if path == "/echo" then
    local about = request.method .. " " .. request.query .. " " .. request.headers["x-note"]
    return {status = 201, headers = {["x-about"] = about}, cookies = {"a=1", "b=2"}, body = request.body}
  elseif path == "/text" then
    return "plain text"
  elseif path == "/nothing" then
    return nil
  elseif path == "/moved" then
    return {status = 302, headers = {location = "/text"}}
  elseif path == "/pieces" then
    local n = 0
    return {body = function()
      n = n + 1
      if n > 3 then return nil end
      return "piece " .. n .. "\n"
    end}
  elseif path == "/slow" then
    host.signal("asked")
    host.wait("answer")
    return "late"
  elseif path == "/wrong" then
    return {state = 200}
  end
  error("no " .. path)
end)
local place = http.address(server)
expose("url", "http://" .. place.host .. ":" .. place.port)
expose("stop", function() return http.close(server) end)
