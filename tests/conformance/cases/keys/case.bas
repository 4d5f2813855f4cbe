' Any text is a key, also one that means something to a language, and a number is another key.
nul = "a" + chr(0) + "b"
odd = dict("", 1, "a b", 2, "1", 3, "grüße 🦀", 4, "__proto__", 5, "__index", 6, "constructor", 7,
  "length", 8, "toString", 9, "then", 10, nul, 11)
print host.show(odd);
print host.show(mirror(odd));
' GET is a function of the language, so the other's `get` is fetched by its name.
entry = call("get")
for key in list("", "1", "__proto__", "__index", "constructor", "length", "then", nul)
  print entry(odd, key);
next
numbers = dict(10, "ten", -1, "below", 0, "zero", 0.5, "half")
print host.show(numbers);
print host.show(mirror(numbers));
print entry(numbers, 10);
print entry(numbers, 0.5);
mixed = dict(10, "int", "10", "text")
print host.show(mirror(mixed));
