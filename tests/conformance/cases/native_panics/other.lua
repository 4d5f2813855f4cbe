expose("panic_there", function() host.panic() end)
