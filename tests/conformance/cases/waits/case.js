// A wait is an expression like any other, wherever it stands.
print(host.later(1) + host.later(2) * host.later(3));
print(host.add(host.later(1), host.later(2)));
print(host.show([host.later("a"), [host.later("b")]]));
print(slowly((x) => host.later(x + "!"), "slow"));
if (host.later(true)) print("true");
let n = 0;
while (host.later(n) < 3) n += host.later(1);
print(n);
for (let i = 0; i < host.later(2); i++) print("twice");
print((() => host.later("called"))());
// In what handles an error.
try {
  host.fail_later("busy", "no room");
} catch (e) {
  print(host.later(e.kind));
}
try {
  host.fail_later("denied", "not you");
} catch (problem) {
  print(host.later(problem.message));
}
