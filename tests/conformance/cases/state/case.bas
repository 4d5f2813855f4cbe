' A script's state lives on between calls, whoever makes them.
print tick("one");
print tick("two");
print host.apply(call(tick), "three");
tick_later = call(tick)
print tick_later(host.later("four"));
f = call("tick")
print f("five");
print host.show(logged());
