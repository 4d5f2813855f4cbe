local function guard(f) return setmetatable({}, {__close = f}) end
local calls = 0
expose("stuck", function()
  calls = calls + 1
  local closing <close> = guard(function() host.cleaned("other") end)
  host.hang()
  print("never printed")
end)
expose("calls_there", function() return calls end)
