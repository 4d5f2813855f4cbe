d = dict(2, "int", 2.0, "real", "2", "text")
print len(d); d(2); d(2.0); d("2"); d(1 + 1); d("1");
d(2) = "changed"
print len(d); d(2);
e = dict(1, "a", 1, "b")
print len(e); e(1);
