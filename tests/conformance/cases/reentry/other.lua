expose("pong", function(n)
  if n == 0 then return "done in other" end
  return ping(n - 1)
end)
