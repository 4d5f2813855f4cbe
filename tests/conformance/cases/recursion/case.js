// A recursion goes a hundred calls deep, to and fro, and comes back.
expose("down", (n) => (n === 0 ? 0 : 1 + below(n - 1)));
print(below(100));
print(below(99));
const deeper = (n) => (n === 0 ? "ground" : host.apply(deeper, n - 1));
print(deeper(100));
