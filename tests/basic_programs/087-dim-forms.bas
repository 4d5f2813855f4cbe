n = 3
dim a(n)
print len(a);
for i = 0 to 2
  a(i) = i * i
next
print a(2); type(a(2)); type(a(2) + 0);
dim a(2)
print len(a); a(0);
dim t$(2, 2)
t$(1, 1) = "x"
print t$(1, 1), "|", t$(0, 0), "|"; len(t$);
dim c(2, 3, 4)
c(1, 2, 3) = 7
print c(1, 2, 3); c(0, 0, 0); len(c);
dim e(2, 2, 2, 2)
e(1, 0, 1, 0) = 9
print e(1, 0, 1, 0); e(0, 1, 0, 1); len(e);
let a(1) = 4
print a(1) * 2;
