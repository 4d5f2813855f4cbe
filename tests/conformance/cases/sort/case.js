// A sort may ask another language for the order, and wait in the middle of it.
const sorted = (list) => {
  list.sort((a, b) => compared(a, b));
  return host.show(list);
};
print(sorted([5, 3, 9, 1, 7, 2, 8, 6, 4]));
print(sorted(["pear", "apple", "fig"]));
const list = [3, 1, 2];
try {
  list.sort(() => host.fail_later("busy", "no order"));
} catch (e) {
  print(`${e.kind}: ${e.message}`);
}
