' Calls that wait may end in any order: the earlier one ends while the later one still waits.
print host.show(host.together(call(first), call(second)));
entries = call("log")
print host.show(entries());
