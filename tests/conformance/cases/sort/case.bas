' A sort may ask another language for the order, and wait in the middle of it.
def sorted(items, compared_by)
  for i = 1 to len(items) - 1
    item = items(i)
    at = i
    while at > 0
      if compared_by(item, items(at - 1)) >= 0 then exit
      items(at) = items(at - 1)
      at = at - 1
    wend
    items(at) = item
  next
  return host.show(items)
enddef
print sorted(list(5, 3, 9, 1, 7, 2, 8, 6, 4), call(compared));
print sorted(list("pear", "apple", "fig"), call(compared));
r = try(sorted, list(3, 1, 2), lambda (a, b) (host.fail_later("busy", "no order")))
print r("kind"), ": ", r("message");
