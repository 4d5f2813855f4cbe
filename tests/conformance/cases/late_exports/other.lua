expose("publish", function(n)
  expose("late", function() return "late " .. n end)
end)
