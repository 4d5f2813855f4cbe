export function fill() {
  const items = [];
  for (let i = 0; i < 2 ** 30; i++) items.push({ id: i });
}
export function grow() {
  const texts = [];
  for (;;) texts.push("x".repeat(1e5 + texts.length));
}
export const add_there = (a, b) => a + b;
