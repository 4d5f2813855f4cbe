export function counter(start) {
  let n = start;
  return (step) => (n += step);
}
export const adder = (a) => (b) => (c) => a + b + c;
