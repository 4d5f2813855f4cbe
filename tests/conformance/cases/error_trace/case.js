// The trace of an error names every script on its way, the outermost first, and the native.
const caught = (f) => {
  try {
    f();
  } catch (e) {
    const place = (text) => e.trace.findIndex((frame) => frame.includes(text));
    const other = place("other.");
    print(other >= 0 && place("case.") >= 0);
    print(e.trace.at(-1));
    // The callback comes after the one who calls it.
    print(e.trace.slice(other).some((frame) => frame.includes("case.")));
  }
};
caught(() => through(() => host.fail("busy", "no room")));
caught(() => through(() => host.fail_later("busy", "no room")));
