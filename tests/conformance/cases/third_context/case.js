// A function goes through a context in the middle, in both directions, and stays itself.
print(pass((x) => "own got " + x, 4));
const from_third = fetch();
print(from_third(5));
print(pass(from_third, 6));
print(combined((x) => x + 100));
const own = () => {};
print(pass((f) => f, own) === own);
try {
  pass(() => host.fail("busy", "no room", { wait: 3 }), 7);
} catch (e) {
  print(`${e.kind}: ${e.message} ${host.show(e.payload)}`);
}
