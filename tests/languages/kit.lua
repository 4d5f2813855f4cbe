-- What the tests of pairs need of a context: ME is its name, OTHER that of its partner.
local kept

-- Values.
expose('ME.echo', function(v) return v end)
expose('ME.relay', function(v) return OTHER.echo(v) end)
expose('ME.keep', function(v) kept = v end)
expose('ME.kept', function() return kept end)
expose('ME.publish', function(v) expose('ME.data', v) end)
expose('ME.look', function() return OTHER.data end)
expose('ME.drop', function()
  kept = nil
  -- Garbage enough for the collector to go round.
  local t
  for _ = 1, 100000 do t = {} end
end)

-- Functions.
expose('ME.make', function(sum) return function(x) sum = sum + x return sum end end)
expose('ME.apply', function(f, x) return f(x) end)
expose('ME.use', function(x) return kept(x) end)
expose('ME.callback', function(x)
  local seen
  local result = OTHER.apply(function(y) seen = y return y .. '!' end, x)
  return {seen, result}
end)
expose('ME.fetch', function(x)
  local add = OTHER.make(10)
  add(x)
  return add(x)
end)
expose('ME.lend', function() OTHER.keep(function(x) return 'of ME: ' .. x end) end)
expose('ME.comes_home', function()
  local f = function() end
  local list = OTHER.echo({f})
  return OTHER.echo(f) == f and list[1] == f
end)
expose('ME.forward', function(x) return THIRD.apply(OTHER.make(5), x) end)

-- Depth.
expose('ME.bounce', function(n)
  if n == 0 then return 0 end
  return 1 + OTHER.bounce(n - 1)
end)
expose('ME.fathom', function()
  local ok, e = pcall(OTHER.bounce, 1000000)
  return {ok, e.kind}
end)

-- Errors.
expose('ME.raise', function(message) error({message = message, code = 7}) end)
expose('ME.fall', function(n)
  if n == 0 then error({message = 'fell', code = 7}) end
  local result = OTHER.fall(n - 1)
  return result
end)
expose('ME.catch', function(message)
  local _, e = pcall(OTHER.raise, message)
  return {e.kind, e.message, e.payload.code}
end)
expose('ME.rethrow', function(message)
  local _, e = pcall(OTHER.raise, message)
  error(e)
end)
expose('ME.fail', function(kind) fail(kind, 'what went wrong') end)
expose('ME.caught', function(kind)
  local _, e = pcall(OTHER.fail, kind)
  return {e.kind, e.message, #e.trace > 0}
end)
