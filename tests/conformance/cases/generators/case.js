// Values are made one by one, on demand, and both who makes them and who takes them may wait.
function* doubled(first, last) {
  for (let i = first; i <= last; i++) yield double(host.later(i));
}
for (const n of doubled(1, 3)) print(host.later(n));
// Two that take turns.
const [a, b] = [doubled(10, 12), doubled(20, 22)];
for (let i = 0; i < 3; i++) {
  print(a.next().value);
  print(b.next().value);
}
// One that goes through a function of another call.
const c = doubled(30, 31);
print(host.apply(() => c.next().value));
print(c.next().value);
// One that fails in the middle.
function* failing() {
  yield "before";
  host.fail_later("busy", "no room");
}
const d = failing();
print(d.next().value);
try {
  d.next();
} catch (e) {
  print(`${e.kind}: ${e.message}`);
}
