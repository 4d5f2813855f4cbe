expose("ring", () => {
  print("ring in " + host.name());
  host.signal("rung");
});
export function answer(n) {
  timer.sleep(1);
  return n + 1;
}
export const cancel_here = (id) => (timer.cancel(id) ? "yes" : "no");
