count = 0
entries = list()
def tick(name)
  count = count + 1
  push(entries, name)
  return count
enddef
def logged()
  return entries
enddef
expose(tick)
expose(logged)
