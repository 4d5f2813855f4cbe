export const apply_there = (f, a, b) => f(a, b);
export const give_add = () => host.add;
