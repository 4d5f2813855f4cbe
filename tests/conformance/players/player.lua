-- Plays trees of actions; `trees.rs` says what each of them means.
local name = host.name()
local play

local function guard(f) return setmetatable({}, {__close = f}) end

local ops = {}

function ops.value(n) return n.value end
function ops.fail(n) host.fail_later(n.kind, "failed", {code = n.code}) end
function ops.raise(n) error({message = "raised", code = n.code}) end

function ops.later(n) return host.later(play(n.node)) end
function ops.apply(n) return host.apply(play, n.node) end
function ops.call(n) return call(n.to .. ".play", n.node) end
function ops.back(n) return call(n.to .. ".back", function() return play(n.node) end) end
function ops.make(n) return call(n.to .. ".make", n.node)() end

function ops.rethrow(n)
  local ok, result = pcall(play, n.node)
  if not ok then error(result, 0) end
  return result
end

function ops.sum(n)
  local sum = 0
  for _, node in ipairs(n.nodes) do sum = sum + play(node) end
  return sum
end

function ops.yielded(n)
  local yielded = coroutine.wrap(function()
    for _, node in ipairs(n.nodes) do coroutine.yield(play(node)) end
  end)
  local sum = 0
  for value in yielded do sum = sum + value end
  return sum
end

function ops.catch(n)
  local ok, result = pcall(play, n.nodes[1])
  if ok then return result end
  -- What did not cross is still the table that was raised.
  return (result.payload or result).code + play(n.nodes[2])
end

function ops.ensure(n)
  local closing <close> = guard(function() print(n.mark) end)
  return play(n.node)
end

function ops.together(n)
  local function part(i) return function() return play(n.nodes[i]) end end
  local results = host.together(part(1), part(2))
  return results[1] + results[2]
end

function ops.hang(n) host.hang(n.key) end

function ops.clean(n)
  local closing <close> = guard(function() host.cleaned(name, n.key) end)
  return play(n.node)
end

function ops.cancel(n)
  return #host.cancel(function() return play(n.node) end, n.count, n.key)
end

function play(n) return ops[n.op](n) end

expose(name .. ".play", function(n) return play(n) end)
expose(name .. ".back", function(f) return f() + 1 end)
expose(name .. ".make", function(n) return function() return play(n) end end)
