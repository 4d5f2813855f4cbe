-- What the stress tests call. `ran(n)` counts that call number n has run.

expose('ME.plus', function(n, x)
  ran(n)
  return x * 3 + 1
end)

expose('ME.waits', function(n, x)
  ran(n)
  return later(x) * 3 + 1
end)

expose('ME.soon', function(n, x)
  ran(n)
  local wait = coroutine.wrap(function() return later(x) end)
  return wait() * 3 + 1
end)

expose('ME.relays', function(n, x, name) return call(name, n, x) end)

expose('ME.applies', function(n, x, f) return f(n, x) end)

expose('ME.sends_back', function(n, value)
  ran(n)
  return value
end)

expose('ME.fails', function(n, x)
  ran(n)
  error('no ' .. x, 0)
end)

expose('ME.spins', function(n)
  ran(n)
  while true do end
end)

expose('ME.ticks', function(number, millis)
  while true do
    pause(millis)
    tick(number)
  end
end)

expose('ME.holds', function() return hold() end)

expose('ME.blocks', function() return block() end)

expose('ME.asks', function() return ask() end)

expose('ME.through', function(name) return call(name) end)

expose('ME.nests', function(other) return call(other .. '.through', 'ME.holds') end)

expose('ME.replies', function()
  reach()
  return ('x'):rep(300000)
end)

expose('ME.asks_for_replies', function(other) return call(other .. '.replies') end)

expose('ME.cleans', function()
  local x <close> = setmetatable({}, {__close = function() pcall(hold) end})
  error('left')
end)

expose('ME.catches', function()
  while true do pcall(hold) end
end)

expose('ME.calls_back', function() return apply(function() return hold() end) end)

expose('ME.comes_from_inside', function()
  local wait = coroutine.wrap(function()
    table.sort({2, 1}, function(a, b) hold() return a < b end)
  end)
  wait()
end)

expose('ME.computes', function()
  reach()
  while true do end
end)

expose('ME.passes', function(native, number) return call(native, number) end)

expose('ME.echoes', function(value) return value end)

expose('ME.starts', function()
  while true do pause(1) end
end)

expose('ME.turns_off', function(how) return call(how) end)
