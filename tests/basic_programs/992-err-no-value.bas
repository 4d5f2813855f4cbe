x =
print x;
