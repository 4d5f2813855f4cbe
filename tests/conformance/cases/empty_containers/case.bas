' What is empty will do for a list and for a map, since not every language can say which it is.
print host.show(list());
print host.show(mirror(list()));
print host.show(no_list());
print size(list());
print host.show(host.keys(list()));
print host.show(host.keys(mirror(dict())));
empty = dict("list", list(), "lists", list(list(), list()))
print host.show(empty);
print host.show(mirror(empty));
