// A native that panics is an error like any other, and nobody is worse for it.
for (const f of [host.panic, host.panic, host.panic, panic_there]) {
  try {
    f();
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
}
print(host.add(1, 2));
