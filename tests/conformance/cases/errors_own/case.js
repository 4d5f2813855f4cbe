// What a script raises has kind `raised`, its message, and a payload if it was more than a text.
const caught = (thrown) => {
  try {
    host.apply(() => {
      throw thrown;
    });
  } catch (e) {
    print(`${e.kind} | ${e.message} | ${host.show(e.payload)}`);
  }
};
caught(new Error("plain text"));
caught({ code: 7, message: "no stock" });
caught({ message: "nested", at: { line: 3, tags: ["a", "b"] } });
caught(42);
caught("grüße 🦀");
caught("");
// An error of the language itself.
try {
  host.apply(() => {
    let nothing;
    return nothing.member;
  });
} catch (e) {
  print(e.kind);
}
print(host.add(1, 2));
