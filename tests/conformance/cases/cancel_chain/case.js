// A call that is given up takes every call below it along, in all contexts.
const guarded = (name, f) => {
  try {
    return f();
  } finally {
    host.cleaned(name);
  }
};
const chain = () =>
  guarded("case, outside", () =>
    enter(() =>
      guarded("case, inside", () => enter(() => guarded("case, innermost", () => host.hang())))));
print(host.show(host.cancel(chain, 5)));
print(host.show(host.cancel(chain, 5)));
try {
  enter(() => host.fail("busy", "no room"));
} catch (e) {
  print(e.kind);
}
