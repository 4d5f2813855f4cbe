export function double(n) {
  return n * 2;
}
export const join = (a, b, c) => a + b + c;
export function nothing() {}
export const pair = () => [1, "two"];
