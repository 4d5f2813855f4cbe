' A function goes through a context in the middle, in both directions, and stays itself.
print pass(lambda (x) (return "own got " + str(x)), 4);
from_third = fetch()
print from_third(5);
print pass(from_third, 6);
print combined(lambda (x) (return x + 100));
own = lambda () (return)
if pass(lambda (f) (return f), own) = own then print "true"; else print "false";
r = try(pass, lambda (x) (host.fail("busy", "no room", dict("wait", 3))), 7)
print r("kind"), ": ", r("message"), " ", host.show(r("payload"));
