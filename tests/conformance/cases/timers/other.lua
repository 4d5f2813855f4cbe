expose("ring", function()
  print("ring in " .. host.name())
  host.signal("rung")
end)
expose("answer", function(n)
  timer.sleep(1)
  return n + 1
end)
expose("cancel_here", function(id) return timer.cancel(id) and "yes" or "no" end)
