' A function of the library takes the next argument, a routine takes all that are left.
def collect(...)
  l = list()
  while len(...) > 0
    push(l, ...)
  wend
  return l
enddef
def joined(...)
  s = ""
  while len(...) > 0
    s = s + str(...) + ";"
  wend
  return s
enddef
def forward(first, ...)
  s = joined(...)
  print first, " ", s, " ", len(...);
enddef
l = collect(1, "two", 3)
print len(l); l(0); l(1); l(2);
forward("a", 1, 2.5, "x")
forward("b")
