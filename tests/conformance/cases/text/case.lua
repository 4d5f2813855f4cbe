-- Text keeps every character: NUL, quotes, line ends, and those beyond the basic plane.
local texts = {
  "", "plain", "a\0b", "\"'\\", "line\nline\r\n\ttab",
  "grüße", "日本語", "🦀🚀", "\u{10FFFF}", "e\u{301}",
}
for _, text in ipairs(texts) do
  print(host.chars(text) .. " " .. host.show(mirror(text)))
end
print(host.show(join("a\0", "🦀")))
print(join("🦀", "ü") == "🦀ü")
print(mirror("a\0b") == "a\0b")
