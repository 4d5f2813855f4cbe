' A name belongs to its first owner, and must be one that every language can write.
def attempt(name)
  r = try(lambda () (expose(name, lambda () (return "mine"))))
  if r("ok") then print "fine"; else print r("kind"), ": ", r("message");
enddef
attempt("theirs")
attempt("theirs.more")
attempt("their")
attempt("host.add")
attempt("host.more")
attempt("host")
attempt("twice")
attempt("motto")
attempt("print")
attempt("a name")
attempt("1st")
attempt("grüße")
attempt("")
attempt("mine")
attempt("mine")
print theirs();
f = call("mine")
print f();
