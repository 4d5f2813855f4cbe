-- Runs `f`, and says so when it is over, however it ends.
local function guard(f) return setmetatable({}, {__close = f}) end
expose("guarded", function(f)
  local closing <close> = guard(function() print("closed by " .. host.later("other")) end)
  return f()
end)
