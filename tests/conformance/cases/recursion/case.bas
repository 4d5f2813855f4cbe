' A recursion goes a hundred calls deep, to and fro, and comes back.
def down(n)
  if n = 0 then return 0
  return 1 + below(n - 1)
enddef
expose(down)
print below(100);
print below(99);
def deeper(n)
  if n = 0 then return "ground"
  return host.apply(call(deeper), n - 1)
enddef
print deeper(100);
