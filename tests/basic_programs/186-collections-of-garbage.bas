' What is in use is never freed: while a routine runs that collects, what was left in the registers of
' those who wait for it is not taken for something in use either.
def noise(n)
  print list("t" + str(n), "u" + str(n), list("v" + str(n), "w" + str(n), list("x" + str(n))));
enddef
r = noise(1)
r = try(lambda () (gc(): return 1))
gc()
gc()
a$ = "long " + str(10)
b$ = "long " + str(20)
c$ = "long " + str(30)
d$ = "long " + str(40)
e$ = "long " + str(50)
print a$, b$, c$, d$, e$;
print list("one " + str(1), "two " + str(2), "three " + str(3), "four " + str(4), "five " + str(5));
r = try(lambda () (gc(): return 1))
gc()
gc()
f$ = "text " + str(10)
g$ = "text " + str(20)
h$ = "text " + str(30)
i$ = "text " + str(40)
j$ = "text " + str(50)
k$ = "text " + str(60)
print a$, b$, c$, d$, e$;
print f$, g$, h$, i$, j$, k$;
' The methods of a class that is not defined yet are in use.
gc()
l$ = "other " + str(1)
m$ = "other " + str(2)
n$ = "other " + str(3)
class late
  var name = "the late one"
  def tell()
    return "told by " + name
  enddef
  def ask()
    return lambda () (return "asked of " + name)
  enddef
endclass
gc()
p = new(late)
print p.tell();
f = p.ask()
gc()
print f();
' So is what an object says of itself while it is made a key.
class key
  var n = 1
  def hash()
    gc()
    return n
  enddef
  def compare(o)
    gc()
    return n - o.n
  enddef
endclass
x = new(key)
y = new(key)
d = dict(x, "of " + str(1), y, "of " + str(2))
print len(d), d(x), d(y);
def count(...)
  return len(...)
enddef
def pass(...)
  gc()
  return count("a" + str(1), ...)
enddef
print pass("b" + str(2), "c" + str(3));
