// A name is looked for when it is used: it may come late, and change.
try {
  call("late");
} catch (e) {
  print(e.kind);
}
try {
  late();
  print("there");
} catch {
  print("not there");
}
publish(1);
print(late());
print(call("late"));
publish(2);
print(late());
const held = late;
publish(3);
print(held());
