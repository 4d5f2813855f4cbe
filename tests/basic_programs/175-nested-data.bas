d = dict("l", list(1, list(2, 3)), "d", dict("x", dict("y", 7)))
l = d("l")
m = l(1)
print m(1);
e = d("d")
x = e("x")
print x("y");
print len(d("l")); get(get(get(d, "d"), "x"), "y");
print len(get(d("l"), 1));
