' A function is passed to another language and called from there, with its own state, and may wait.
sum = 0
each(list(1, 2, 3), lambda (n) (
  sum = sum + n
  print "sum ", sum;
))
print host.show(transformed(list(1, 2, 3), lambda (n) (return host.later(n * n))));
print host.show(transformed(list(1, 2), lambda (n) (
  return transformed(list(10, 20), lambda (m) (return n * m))
)));
print sum;
