local function guard(f) return setmetatable({}, {__close = f}) end
expose("enter", function(f)
  local closing <close> = guard(function() host.cleaned("other") end)
  return f()
end)
