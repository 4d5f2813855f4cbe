Foo = 1
PRINT foo; FOO; fOo;
Def Add(A, b)
  Return a + B
EndDef
pRiNt ADD(2, 3);
a$ = "Mixed Case Stays"
print A$;
if "a" = "A" then print "same"; else print "different";
d = dict("Key", 1)
print d("Key"); exists(d, "KEY");
