' A name is looked for when it is used: it may come late, and change.
r = try(lambda () (f = call("late"): return f()))
print r("kind");
r = try(lambda () (return late()))
if r("ok") then print "there"; else print "not there";
publish(1)
print late();
f = call("late")
print f();
publish(2)
print late();
held = call(late)
publish(3)
print held();
