-- A script asks a server that is a script: all kinds of answers, and what becomes of failures.
local r = http.post(url .. "/echo?a=b", "grüße 🦀", {headers = {["X-Note"] = {"one", "two"}}})
print(r.status .. " " .. r.body)
print(r.headers["x-about"])
print(host.show(r.cookies))

r = http.get(url .. "/text")
print(r.status .. " " .. r.body .. " " .. r.headers["content-type"])
r = http.request({method = "delete", url = url .. "/nothing"})
print(r.status .. " " .. #r.body)
r = http.get(url .. "/moved")
print(r.status .. " " .. r.headers.location)
r = http.get(url .. "/moved", {redirects = 1})
print(r.status .. " " .. r.body)

-- Pieces come one by one, or as a whole.
r = http.get(url .. "/pieces")
print(#r.body)
local all = ""
r = http.get(url .. "/pieces", {on_data = function(data) all = all .. data end})
print(r.status .. " " .. host.show(r.body))
print(#all)

-- Others are served while one waits.
local late
timer.after(0, function()
  late = http.get(url .. "/slow").body
  host.signal("came")
end)
host.wait("asked")
print(http.get(url .. "/text").body)
host.signal("answer")
host.wait("came")
print(late)

-- A failure is an answer for the one, and reported for the other.
r = http.get(url .. "/wrong")
print(r.status .. " " .. #r.body)

local function kind_of(...)
  local ok, problem = pcall(...)
  return problem.kind
end
print(kind_of(http.get, "nowhere"))
print(kind_of(http.get, url, {no_such = 1}))
print(kind_of(http.get, "http://127.0.0.2/"))
print(kind_of(http.get, url .. "/text", {max_body = 3}))
stop()
print(kind_of(http.get, url .. "/text"))
