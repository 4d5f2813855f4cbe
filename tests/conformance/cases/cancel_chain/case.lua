-- A call that is given up takes every call below it along, in all contexts.
local function guard(name)
  return setmetatable({}, {__close = function() host.cleaned(name) end})
end
local function chain()
  local closing <close> = guard("case, outside")
  return enter(function()
    local closing <close> = guard("case, inside")
    return enter(function()
      local closing <close> = guard("case, innermost")
      host.hang()
    end)
  end)
end
print(host.show(host.cancel(chain, 5)))
print(host.show(host.cancel(chain, 5)))
local ok, e = pcall(enter, function() host.fail("busy", "no room") end)
print(e.kind)
