export function pong(n) {
  if (n === 0) return "done in other";
  return ping(n - 1);
}
