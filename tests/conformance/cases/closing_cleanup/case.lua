-- When a context closes, what must run in the end runs in its calls; who waits for them is told.
local function guard(f) return setmetatable({}, {__close = f}) end
local results = host.together(
  function()
    local closing <close> = guard(function() print("closed by case") end)
    local ok, e = pcall(stuck)
    return e.kind
  end,
  function()
    host.wait("stuck")
    host.close("other")
    return "closed"
  end
)
print(host.show(results))
