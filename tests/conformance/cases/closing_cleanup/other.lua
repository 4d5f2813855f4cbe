local function guard(f) return setmetatable({}, {__close = f}) end
expose("stuck", function()
  local closing <close> = guard(function() print("closed by other") end)
  host.signal("stuck")
  host.hang()
end)
