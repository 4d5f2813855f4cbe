' `call` takes a name or a function; a name that stands for no function is an error.
def called(name, ...)
  function = call(name)
  return function(...)
enddef
def attempt(name)
  r = try(called, name)
  if r("ok") then print "fine"; else print r("kind"), ": ", r("message");
enddef
def kind_of(name, ...)
  r = try(called, name, ...)
  print r("kind");
enddef
print called("host.add", 1, 2);
print called("twice", 4);
print called("double", 5);
print called(call(double), 6);
print called(call(host.later), 7);
print called(lambda (a, b) (return a + b), "a", "b");
expose("own", lambda () (return "own"))
print called("own");
attempt("nobody")
attempt("host.nobody")
attempt("host")
attempt("double.more")
attempt("")
kind_of("season")
kind_of("host.add", 1)
kind_of(7)
kind_of(nil)
