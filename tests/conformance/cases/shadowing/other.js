function theirs() {
  return "theirs";
}
expose("greet", theirs);
expose("season", "winter");
expose("as_seen_there", () => [twice(2), greet(), season, motto]);
