expose("total", function(list)
  local sum = 0
  for _, n in ipairs(list) do sum = sum + n end
  return sum
end)
expose("repeated", function(text, count)
  local texts = {}
  for i = 1, count do texts[i] = text end
  return table.concat(texts)
end)
