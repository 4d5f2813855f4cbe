// What is true or false is so everywhere, and is no number.
const caught = (f, ...args) => {
  try {
    f(...args);
  } catch (e) {
    print(`${e.kind}: ${e.message} ${host.show(e.payload)}`);
  }
};
print(host.show([true, false]));
print(host.show(mirror([true, false])));
print(mirror(true));
print(is_large(7));
print(open);
caught(host.add, 1, true);
caught(host.apply, () => {
  throw true;
});
