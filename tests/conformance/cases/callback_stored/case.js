// A function is kept, by the host or by another script, and called when the call that gave it is
// long over.
let total = 0;
function give() {
  const factor = 2;
  host.store((n) => {
    total += n * factor;
    return total;
  });
  keep((x) => "rang " + x);
}
give();
print(host.stored(5));
print(host.stored(6));
print(total);
print(ring(1));
print(host.apply(ring, 2));
keep((x) => "rings " + host.later(x));
print(ring(3));
host.store(ring);
print(host.stored(4));
