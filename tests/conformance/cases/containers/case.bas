' Lists and maps reach natives and other languages as what they are.
def show(value)
  print host.show(value);
  print host.show(mirror(value));
enddef
show(list(1, 2, 3))
show(list("one", 2, 0.5))
show(list(1, nil, 3))
show(dict("name", "Ada", "born", 1815))
show(list(list(1, 2), list(3, list(4, list(5)))))
orders = list(dict("id", 1, "tags", list("new", "paid")), dict("id", 2, "tags", list("old")))
show(dict("orders", orders, "count", 2))
show(dict("f", lambda () (return), "list", list(lambda () (return))))
