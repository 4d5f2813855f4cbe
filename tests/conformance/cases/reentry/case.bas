' A script calls another, which calls back into it, while it still waits; its state is one.
visits = 0
def ping(n)
  visits = visits + 1
  if n = 0 then return "done in case"
  return pong(n - 1)
enddef
expose(ping)
print pong(10);
print visits;
print pong(9);
print visits;
print ping(host.later(3));
print visits;
