export const total = (list) => list.reduce((sum, n) => sum + n, 0);
export const repeated = (text, count) => text.repeat(count);
