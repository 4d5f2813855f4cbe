def attempt_there(f)
  r = try(f)
  if r("ok") then return "fine"
  return dict("kind", r("kind"), "message", r("message"))
enddef
expose(attempt_there)
