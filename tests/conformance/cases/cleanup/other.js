// Runs `f`, and says so when it is over, however it ends.
export function guarded(f) {
  try {
    return f();
  } finally {
    print("closed by " + host.later("other"));
  }
}
