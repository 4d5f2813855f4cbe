export const before = (a, b) => host.later(a) < host.later(b);
