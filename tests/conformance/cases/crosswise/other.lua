expose("visit", function(name) return host.later("other hosts ") .. home(name) end)
expose("go_out", function() return "back from " .. home("other") end)
