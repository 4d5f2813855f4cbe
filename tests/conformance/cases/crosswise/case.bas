' Two scripts call each other at the same time, and nobody waits for ever.
def home(name)
  return "the home of case, with " + host.later(name)
enddef
expose(home)
def out()
  return "out: " + visit("case")
enddef
for i = 1 to 3
  print host.show(host.together(call(out), call(go_out)));
  print host.show(host.together(call(go_out), call(out)));
next
