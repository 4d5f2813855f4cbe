' Catches everything, and raises it again as it is.
def rethrown(f)
  r = try(f)
  if not r("ok") then raise(r)
  return r("value")
enddef
def renamed(f)
  e = try(f)
  message = "renamed: " + e("message")
  raise(message, dict("message", message, "was", e("kind")))
enddef
expose(rethrown)
expose(renamed)
