export function each(list, f) {
  for (const item of list) f(item);
}
export const transformed = (list, f) => list.map((item) => f(item));
