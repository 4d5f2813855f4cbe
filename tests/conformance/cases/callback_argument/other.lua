expose("each", function(list, f)
  for _, item in ipairs(list) do f(item) end
end)
expose("transformed", function(list, f)
  local result = {}
  for i, item in ipairs(list) do result[i] = f(item) end
  return result
end)
