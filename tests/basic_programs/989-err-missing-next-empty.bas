for i = 2 to 1
print i;
