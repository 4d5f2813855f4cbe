// `call` takes a name or a function; a name that stands for no function is an error.
const caught = (...args) => {
  try {
    call(...args);
  } catch (e) {
    return e;
  }
  return { kind: "fine" };
};
const attempt = (...args) => {
  const e = caught(...args);
  print(`${e.kind}: ${e.message}`);
};
print(call("host.add", 1, 2));
print(call("twice", 4));
print(call("double", 5));
print(call(double, 6));
print(call(host.later, 7));
print(call((a, b) => a + b, "a", "b"));
expose("own", () => "own");
print(call("own"));
attempt("nobody");
attempt("host.nobody");
attempt("host");
attempt("double.more");
attempt("");
print(caught("season").kind);
print(caught("host.add", 1).kind);
print(caught(7).kind);
print(caught().kind);
