export const mirror = (bytes) => bytes;
export const length = (bytes) => bytes.length;
