-- Two scripts call each other at the same time, and nobody waits for ever.
expose("home", function(name) return "the home of case, with " .. host.later(name) end)
local function out() return "out: " .. visit("case") end
for _ = 1, 3 do
  print(host.show(host.together(out, go_out)))
  print(host.show(host.together(go_out, out)))
end
