// Calls that wait may end in any order: the earlier one ends while the later one still waits.
print(host.show(host.together(first, second)));
print(host.show(log()));
