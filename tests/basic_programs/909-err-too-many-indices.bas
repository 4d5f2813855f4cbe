dim a(2)
print a(1, 1);
