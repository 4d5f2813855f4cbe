// An error that is caught and raised again keeps kind, message and payload.
const caught = (f, ...args) => {
  try {
    f(...args);
  } catch (e) {
    print(`${e.kind} | ${e.message} | ${host.show(e.payload)}`);
  }
};
const busy = () => host.fail("busy", "try later", { after: 3 });
caught(rethrown, busy);
caught(rethrown, () => rethrown(busy));
caught(rethrown, () => {
  try {
    busy();
  } catch (e) {
    throw e;
  }
});
caught(rethrown, () => {
  throw { code: 7, message: "own" };
});
caught(rethrown, () => {
  throw new Error("text");
});
caught(renamed, busy);
caught(rethrown, () => renamed(busy));
print(rethrown(() => "fine"));
