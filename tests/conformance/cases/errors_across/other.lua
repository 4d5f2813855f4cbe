expose("through", function(f) return f() end)
expose("fail_with", function(code) error({code = code, message = "code " .. code}) end)
