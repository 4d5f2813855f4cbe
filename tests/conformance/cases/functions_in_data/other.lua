expose("use", function(tools)
  local result = {tools.name()}
  for i, f in ipairs(tools.list) do result[i + 1] = f(i) end
  return result
end)
expose("tools", {describe = function(x) return "tool " .. x end})
