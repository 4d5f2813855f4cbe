' Functions pass inside of lists and maps, and in exported data.
items = list(lambda (i) (return i * 10), lambda (i) (return host.later(i * 100)))
print host.show(use(dict("name", lambda () (return "box"), "list", items)));
describe = tools("describe")
print describe("saw");
there = host.echo(dict("f", lambda () (return "nested")))
f = there("f")
print f();
