call show("later")
r = call twice(4)
print r;
f = call(twice)
print f(5);
print type(f);
def show(x)
  print x;
enddef
def twice(x)
  return x * 2
enddef
show("plain")
print twice(twice(3));
call show("called")
