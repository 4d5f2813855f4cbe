export function compared(a, b) {
  const [x, y] = [host.later(a), host.later(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
