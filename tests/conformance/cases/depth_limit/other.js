export const back = (n) => dive(n + 1);
