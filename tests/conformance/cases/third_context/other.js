export const pass = (f, x) => relay(f, x);
export const fetch = () => maker("third");
export const combined = (f) => relay(f, 1) + relay((x) => x * 10, 2);
