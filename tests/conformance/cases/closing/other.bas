def work()
  return "worked"
enddef
def make()
  return lambda () (return "made")
enddef
expose(work)
expose(make)
expose("fact", 7)
