// Arguments are counted and never made to fit: a text is no number, and nothing passes silently.
const attempt = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
};
attempt(host.add);
attempt(host.add, 1);
attempt(host.add, 1, 2, 3);
attempt(host.add, "1", 2);
attempt(host.add, null, 2);
attempt(host.add, [1], 2);
attempt(host.add, () => {}, 2);
attempt(host.chars, 7);
attempt(host.half, "0.5");
attempt(host.apply, "host.add");
attempt(host.keys, [1, 2]);
attempt(host.keys, 1);
attempt(host.fail, "no such kind", "");
print(host.count());
print(host.count(undefined));
print(host.count(1, null, 3));
print(host.count(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20));
