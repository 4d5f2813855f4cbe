-- Any text is a key, also one that means something to a language, and a number is another key.
local odd = {
  [""] = 1, ["a b"] = 2, ["1"] = 3, ["grüße 🦀"] = 4, ["__proto__"] = 5, ["__index"] = 6,
  constructor = 7, length = 8, toString = 9, ["then"] = 10, ["a\0b"] = 11,
}
print(host.show(odd))
print(host.show(mirror(odd)))
for _, key in ipairs({"", "1", "__proto__", "__index", "constructor", "length", "then", "a\0b"}) do
  print(get(odd, key))
end
local numbers = {[10] = "ten", [-1] = "below", [0] = "zero", [0.5] = "half"}
print(host.show(numbers))
print(host.show(mirror(numbers)))
print(get(numbers, 10))
print(get(numbers, 0.5))
local mixed = {[10] = "int", ["10"] = "text"}
print(host.show(mirror(mixed)))
