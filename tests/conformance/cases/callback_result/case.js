// A function that another language returns keeps its state there, one for each.
const [a, b] = [counter(0), counter(100)];
print(a(1));
print(a(1));
print(b(10));
print(a(5));
print(host.apply(b, 1));
print(adder(1)(2)(3));
