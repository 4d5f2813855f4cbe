' Endless recursion between scripts ends in an error that can be caught, and harms nobody.
deepest = 0
' BACK is a function of the language, so the other's `back` is fetched by its name.
def dive(n)
  deepest = n
  there = call("back")
  return there(n + 1)
enddef
expose(dive)
for i = 1 to 2
  r = try(call("back"), 1)
  print r("kind"), ": ", r("message");
  print deepest;
next
