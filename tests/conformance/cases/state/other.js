let count = 0;
const log = [];
export function tick(name) {
  count += 1;
  log.push(name);
  return count;
}
export const logged = () => log;
