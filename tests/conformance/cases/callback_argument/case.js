// A function is passed to another language and called from there, with its own state, and may wait.
let sum = 0;
each([1, 2, 3], (n) => {
  sum += n;
  print("sum " + sum);
});
print(host.show(transformed([1, 2, 3], (n) => host.later(n * n))));
print(host.show(transformed([1, 2], (n) => transformed([10, 20], (m) => n * m))));
print(sum);
