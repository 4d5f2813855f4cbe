def piece_maker()
  n = 0
  return lambda () (
    n = n + 1
    if n > 3 then return nil
    return "piece " + str(n) + chr(10)
  )
enddef
def handle(request)
  path = request("path")
  if path = "/echo" then
    about = request("method") + " " + request("query") + " " + get(request("headers"), "x-note")
    return dict("status", 201, "headers", dict("x-about", about), "cookies", list("a=1", "b=2"),
      "body", request("body"))
  endif
  if path = "/text" then return "plain text"
  if path = "/nothing" then return nil
  if path = "/moved" then return dict("status", 302, "headers", dict("location", "/text"))
  if path = "/pieces" then return dict("body", piece_maker())
  if path = "/slow" then
    host.signal("asked")
    host.wait("answer")
    return "late"
  endif
  if path = "/wrong" then return dict("state", 200)
  raise("no " + path)
enddef
server = http.serve("127.0.0.1:0", call(handle))
place = http.address(server)
expose("url", "http://" + place("host") + ":" + str(place("port")))
expose("stop", lambda () (return http.close(server)))
