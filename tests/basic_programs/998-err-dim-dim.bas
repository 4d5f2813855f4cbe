dim a(2)
print a(0)(1);
