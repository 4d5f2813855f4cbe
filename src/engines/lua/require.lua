-- `require`, which is easiest to write in Lua itself. Runs when a context first calls it.
local type, error, pcall, load,
  read_module, module_broken, module_done, module_wait, call_id, is_running = ...

local loaded, loading, waits = {}, {}, {}

-- Would waiting for `holder` be waiting for `me`?
local function is_loop(holder, me)
  while holder and is_running(holder) do
    if holder == me then return true end
    holder = loading[waits[holder]]
  end
  return false
end

-- Files beside the script. A second call that wants a module while a first one still runs its top
-- level waits for it; only modules that require each other in a circle are an error.
-- Called by a function in C, so whoever wants a module is on the third level.
return function(name)
  if type(name) ~= 'string' then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ')', 3)
  end
  local me = call_id()
  while loading[name] and is_running(loading[name]) do
    if is_loop(loading[name], me) then
      error("module '" .. name .. "' requires itself", 3)
    end
    waits[me] = name
    module_wait()
    waits[me] = nil
  end
  if loaded[name] ~= nil then return loaded[name] end
  loading[name] = me
  local ok, result = pcall(function()
    local module = read_module(name)
    local chunk, problem = load(module[2], module[1], 't')
    if not chunk then module_broken(module[1], problem) end
    return chunk(name, module[1])
  end)
  loading[name] = nil
  module_done()
  if not ok then error(result, 0) end
  if result == nil then result = true end
  loaded[name] = result
  return result
end
