export const mirror = (value) => value;
export function endless() {
  const circle = {};
  circle.self = circle;
  return circle;
}
