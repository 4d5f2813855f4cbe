def fill()
  items = list()
  for i = 1 to 2 ^ 30
    push(items, dict("id", i))
  next
enddef
def grow()
  text = "x"
  while true
    text = text + text
  wend
enddef
def add_there(a, b)
  return a + b
enddef
expose(fill)
expose(grow)
expose(add_there)
