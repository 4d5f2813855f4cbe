' A script that takes more memory than it may fails; its context, and everybody else, goes on.
def attempt(f)
  r = try(f)
  if r("ok") then print "fine"; else print r("kind");
enddef
for i = 1 to 3
  attempt(call(fill))
  print add_there(1, 2);
  attempt(call(grow))
  print add_there(3, 4);
next
