// A native that wants an int or a real gets it from any number that is one, and loses nothing.
const attempt = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
};
print(host.show(host.half(3)));
print(host.show(host.half(0.25)));
print(host.add(6 / 2, 1));
print(host.add(-0, 5));
print(host.show(host.add(9007199254740992n, 1)));
attempt(host.add, 2.5, 1);
attempt(host.add, 1, 0 / 0);
attempt(host.add, 1, 1 / 0);
attempt(host.add, 1e300, 1);
attempt(host.add, 9223372036854775807n, 1);
attempt(host.half, 9007199254740993n);
attempt(host.half, 9007199254740992n);
