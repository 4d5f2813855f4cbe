export function through(f) {
  return f();
}
