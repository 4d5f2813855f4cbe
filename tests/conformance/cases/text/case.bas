' Text keeps every character: NUL, quotes, line ends, and those beyond the basic plane.
nul = "a" + chr(0) + "b"
lines = "line" + chr(10) + "line" + chr(13) + chr(10) + chr(9) + "tab"
texts = list("", "plain", nul, chr(34) + "'\", lines, "grüße", "日本語", "🦀🚀",
  chr(0xbfbf8ff4), "e" + chr(0x81cc))
for text in texts
  print host.chars(text), " ", host.show(mirror(text));
next
def truth(value)
  if value then print "true"; else print "false";
enddef
print host.show(join("a" + chr(0), "🦀"));
truth(join("🦀", "ü") = "🦀ü")
truth(mirror(nul) = nul)
