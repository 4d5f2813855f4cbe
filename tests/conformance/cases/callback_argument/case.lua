-- A function is passed to another language and called from there, with its own state, and may wait.
local sum = 0
each({1, 2, 3}, function(n)
  sum = sum + n
  print("sum " .. sum)
end)
print(host.show(transformed({1, 2, 3}, function(n) return host.later(n * n) end)))
print(host.show(transformed({1, 2}, function(n)
  return transformed({10, 20}, function(m) return n * m end)
end)))
print(sum)
