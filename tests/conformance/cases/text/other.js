export const mirror = (text) => text;
export function join(a, b) {
  return a + b;
}
