a$ = "was text"
input "Name? ", a$
print "[", a$, "]";
n = 1
input n
print n + 1;
input n
print n;
input n
print type(n);
input empty$
print len(empty$);
