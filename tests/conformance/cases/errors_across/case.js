// An error that crosses languages, there and back, keeps kind, message and payload.
const caught = (f, ...args) => {
  try {
    f(...args);
  } catch (e) {
    print(`${e.kind} | ${e.message} | ${host.show(e.payload)}`);
  }
};
caught(fail_with, 7);
caught(through, () => {
  throw { code: 8, message: "own" };
});
caught(through, () => fail_with(9));
caught(through, () => through(() => through(() => fail_with(10))));
caught(through, () => host.fail("denied", "not you", { level: 3 }));
caught(host.apply, () => host.apply(through, () => host.fail_later("range", "far", [1, 2])));
caught(through, () => {
  throw "text";
});
