-- A call that is given up runs its cleanup and goes no further; its context stays usable.
local function guard(f) return setmetatable({}, {__close = f}) end
local calls = 0
for _ = 1, 3 do
  print(host.show(host.cancel(stuck, 1)))
  print(calls_there())
  print(host.show(host.cancel(function()
    calls = calls + 1
    local closing <close> = guard(function() host.cleaned("case") end)
    host.hang()
    print("never printed")
  end, 1)))
  print(calls)
end
print(host.later("still here"))
