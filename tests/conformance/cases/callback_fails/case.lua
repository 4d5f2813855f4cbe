-- Who calls back catches what the callback raises.
print(host.show(attempt_there(function() error("no", 0) end)))
print(host.show(attempt_there(function() host.fail("busy", "later") end)))
print(host.show(attempt_there(function() host.fail_later("denied", "not you") end)))
print(host.show(attempt_there(function() call("nobody") end)))
print(host.show(attempt_there(function() return 1 end)))
print(host.show(attempt_there(function()
  return attempt_there(function() error("inner", 0) end)
end)))
