expose("compared", function(a, b)
  local x, y = host.later(a), host.later(b)
  return x < y and -1 or x > y and 1 or 0
end)
