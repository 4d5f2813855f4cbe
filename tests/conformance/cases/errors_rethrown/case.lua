-- An error that is caught and raised again keeps kind, message and payload.
local function caught(f, ...)
  local ok, e = pcall(f, ...)
  print(e.kind .. " | " .. e.message .. " | " .. host.show(e.payload))
end
local function busy() host.fail("busy", "try later", {after = 3}) end
caught(rethrown, busy)
caught(rethrown, function() return rethrown(busy) end)
caught(rethrown, function()
  local ok, e = pcall(busy)
  error(e, 0)
end)
caught(rethrown, function() error({code = 7, message = "own"}) end)
caught(rethrown, function() error("text", 0) end)
caught(renamed, busy)
caught(rethrown, function() return renamed(busy) end)
print(rethrown(function() return "fine" end))
