def r()
  return 1
enddef
l = list(1)
dim a(1)
class c
endclass
d = dict()
print list(); dict(); a; c; type(1); nil; d("none"); iterator(l); iterator(d);
x = call(r)
print "", x;
print "";
y$ = ""
print y$, "|";
print ;
