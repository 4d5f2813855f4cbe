expose("below", function(n)
  if n == 0 then return 0 end
  return 1 + down(n - 1)
end)
