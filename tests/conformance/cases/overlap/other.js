const lines = [];
expose("first", () => {
  lines.push("first begins");
  host.wait("go");
  lines.push("first ends");
  return "first";
});
expose("second", () => {
  lines.push("second begins");
  host.signal("go");
  lines.push("second ends");
  return "second";
});
expose("log", () => lines);
