export const slowly = (f, x) => host.later(f(host.later(x)));
