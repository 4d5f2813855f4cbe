def visit(name)
  return host.later("other hosts ") + home(name)
enddef
def go_out()
  return "back from " + home("other")
enddef
expose(visit)
expose(go_out)
