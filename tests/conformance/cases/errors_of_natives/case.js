// Every kind of error of a native reaches the script, at once and after a wait.
const caught = (f, ...args) => {
  try {
    return f(...args);
  } catch (e) {
    return e;
  }
};
for (const kind of host.kinds) {
  const now = caught(host.fail, kind, "now");
  const later = caught(host.fail_later, kind, "later");
  print(`${kind}: ${now.kind} ${now.message}, ${later.kind} ${later.message}`);
}
let e = caught(host.fail, "busy", "with payload", { code: 7 });
print(`${e.kind}: ${e.message} ${host.show(e.payload)}`);
e = caught(host.fail_later, "busy", "with a text", "text");
print(`${e.kind}: ${e.message} ${host.show(e.payload)}`);
