' A function is kept, by the host or by another script, and called when the call that gave it is
' long over.
total = 0
def give()
  factor = 2
  host.store(lambda (n) (
    total = total + n * factor
    return total
  ))
  keep(lambda (x) (return "rang " + str(x)))
enddef
give()
print host.stored(5);
print host.stored(6);
print total;
print ring(1);
print host.apply(call(ring), 2);
keep(lambda (x) (return "rings " + str(host.later(x))))
print ring(3);
host.store(call(ring))
print host.stored(4);
