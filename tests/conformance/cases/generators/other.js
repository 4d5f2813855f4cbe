export const double = (n) => host.later(n * 2);
