a = to_array(list(1, "x", 2.5, nil))
print len(a); a(0); a(1); a(2); a(3); type(a(0));
a(1) = 5
print a(1);
