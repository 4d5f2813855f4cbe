export const below = (n) => (n === 0 ? 0 : 1 + down(n - 1));
