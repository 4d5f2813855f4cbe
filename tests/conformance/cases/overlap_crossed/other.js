const lines = [];
// Synchronous calls that wait end innermost first; promises end in any order.
export async function first() {
  await host.wait.async("second waits");
  lines.push("first ends");
  host.signal("first ended");
  return "first";
}
export async function second() {
  host.signal("second waits");
  await host.wait.async("first ended");
  lines.push("second ends");
  return "second";
}
expose("log", () => lines);
