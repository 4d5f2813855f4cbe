// A script's own global goes before natives, exports and data, but only in its own context.
globalThis.twice = (n) => "own " + n;
function greet() {
  return "own";
}
const season = "summer";
globalThis.motto = 7;
print(twice(2));
print(greet());
print(season);
print(motto);
print(call("twice", 2));
print(call("greet"));
print(host.show(as_seen_there()));
