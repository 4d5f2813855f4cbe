dim a(2)
class c
endclass
f = lambda () (return 1)
def r()
enddef
d = dict()
x = d("none")
i = iterator(list(1))
j = iterator(d)
print type(a); type(c); type(f); type(call(r)); type(d); type(x); type(i); type(j); type(list()); type("abc");
print type("REAL"); type("NUMBER"); type("COLLECTION"); type("UNKNOWN"); type("ROUTINE"); type(type("LIST"));
print type(1) = type(2); type(1) = type("x");
