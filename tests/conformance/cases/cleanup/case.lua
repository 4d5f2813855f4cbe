-- What must run in the end runs: after a result, after an error, and from the inside out. It may
-- wait.
local function guard(f) return setmetatable({}, {__close = f}) end
local function caught(f)
  local ok, e = pcall(f)
  print(ok and e or e.kind .. ": " .. e.message)
end
caught(function() return guarded(function() return "fine" end) end)
caught(function() return guarded(function() host.fail("busy", "no room") end) end)
caught(function() return guarded(function() error("text", 0) end) end)
caught(function()
  return host.apply(function()
    local closing <close> = guard(function() print("closed by " .. host.later("case")) end)
    return guarded(function() host.fail_later("denied", "not you") end)
  end)
end)
