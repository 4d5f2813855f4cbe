l = list(list(1))
print l(0)(0);
