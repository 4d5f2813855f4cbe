// Catches everything, and raises it again as it is.
export function rethrown(f) {
  try {
    return f();
  } catch (e) {
    throw e;
  }
}
export function renamed(f) {
  try {
    return f();
  } catch (e) {
    throw { message: "renamed: " + e.message, was: e.kind };
  }
}
