// Text keeps every character: NUL, quotes, line ends, and those beyond the basic plane.
const texts = [
  "", "plain", "a\0b", "\"'\\", "line\nline\r\n\ttab",
  "grüße", "日本語", "🦀🚀", "\u{10FFFF}", "e\u{301}",
];
for (const text of texts) {
  print(host.chars(text) + " " + host.show(mirror(text)));
}
print(host.show(join("a\0", "🦀")));
print(join("🦀", "ü") === "🦀ü");
print(mirror("a\0b") === "a\0b");
