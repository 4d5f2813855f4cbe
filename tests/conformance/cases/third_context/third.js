export const relay = (f, x) => f(x);
export const maker = (name) => (x) => `${name} got ${x}`;
