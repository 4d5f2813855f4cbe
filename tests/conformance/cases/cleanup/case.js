// What must run in the end runs: after a result, after an error, and from the inside out. It may
// wait.
const caught = (f) => {
  try {
    print(f());
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
};
caught(() => guarded(() => "fine"));
caught(() => guarded(() => host.fail("busy", "no room")));
caught(() => guarded(() => {
  throw new Error("text");
}));
caught(() => host.apply(() => {
  try {
    return guarded(() => host.fail_later("denied", "not you"));
  } finally {
    print("closed by " + host.later("case"));
  }
}));
