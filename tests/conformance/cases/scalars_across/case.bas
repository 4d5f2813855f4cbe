' Every scalar comes back from another language as what it was.
def show(value)
  print host.show(mirror(value));
enddef
def truth(value)
  if value then print "true"; else print "false";
enddef
show(nil)
show(0)
show(-7)
show(9007199254740991)
show(9007199254740992)
show(9007199254740993)
show(-9007199254740993)
show(9223372036854775807)
show(-9223372036854775807 - 1)
show(0.5)
show(val("-0.0"))
show(1e300)
show(5e-324)
show(1 / 0)
show(-(1 / 0))
show(0 / 0)
show("")
show("7")
' What the script itself sees of it.
truth(mirror(9007199254740993) = 9007199254740993)
truth(mirror(0.5) = 0.5)
truth(mirror(nil) = nil)
