const lines = [];
expose("first", () => {
  host.wait("second waits");
  lines.push("first ends");
  host.signal("first ended");
  return "first";
});
expose("second", () => {
  host.signal("second waits");
  host.wait("first ended");
  lines.push("second ends");
  return "second";
});
expose("log", () => lines);
