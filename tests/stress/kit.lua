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
