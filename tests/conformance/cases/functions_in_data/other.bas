def use(box)
  name = box("name")
  result = list(name())
  n = 0
  for f in box("list")
    n = n + 1
    push(result, f(n))
  next
  return result
enddef
expose(use)
expose("tools", dict("describe", lambda (x) (return "tool " + x)))
