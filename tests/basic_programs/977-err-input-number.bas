n = 1
input n
print n;
