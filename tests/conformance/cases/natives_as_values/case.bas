' A native is a function value like any other.
print host.apply(call(host.add), 1, 2);
print apply_there(call(host.add), 3, 4);
add = give_add()
print add(5, 6);
tools = dict("add", call(host.add))
f = tools("add")
print f(7, 8);
r = try(apply_there, call(host.add), 1, "2")
print r("kind"), ": ", r("message");
