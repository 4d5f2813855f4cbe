expose("counter", function(start)
  local n = start
  return function(step)
    n = n + step
    return n
  end
end)
expose("adder", function(a) return function(b) return function(c) return a + b + c end end end)
