// When a context closes, its functions are dead and its names are free.
const attempt = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
const made = make();
print(work());
print(made());
print(fact);
host.close("other");
attempt(made);
attempt(call, "work");
try {
  work();
  print("there");
} catch {
  print("not there");
}
print(host.show(call(host.echo, 1)));
expose("work", () => "worked here");
print(work());
attempt(made);
