export const mirror = (value) => value;
export const get = (map, key) => (map instanceof Map ? map.get(key) : map[key]);
