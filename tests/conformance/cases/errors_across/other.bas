def through(f)
  return f()
enddef
def fail_with(code)
  message = "code " + str(code)
  raise(message, dict("code", code, "message", message))
enddef
expose(through)
expose(fail_with)
