' A function that comes home is itself again.
def show(truth)
  if truth then print "true"; else print "false";
enddef
f = lambda () (return "f")
g = lambda () (return "g")
show(host.echo(f) = f)
show(mirror(f) = f)
there = mirror(dict("list", list(f)))
items = there("list")
first = items(0)
show(first = f)
show(mirror(g) = f)
print is_own(give());
print is_own(f);
back_home = mirror(f)
print back_home();
