export function attempt_there(f) {
  try {
    f();
    return "fine";
  } catch (e) {
    return { kind: e.kind, message: e.message };
  }
}
