export const mirror = (value) => value;
export const is_large = (n) => n > 100;
export const open = false;
