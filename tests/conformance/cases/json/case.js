// JSON means the same to all: ints and reals stay apart, and what it cannot say is an error.
const text = '{"id": 7, "price": 0.5, "tags": ["a", "grüße 🦀", "\\u00e9\\n"], "none": {"of": [-3, 1e-2]}}';
print(host.show(json.decode(text)));
print(host.show(decoded(text)));
print(host.show(json.decode(encoded(decoded(text)))));
print(json.encode([1, 0.5, "two", ['a "quoted" \\ text']]));
print(encoded([3, 4.25, []]));
print(json.encode(json.decode("[9007199254740993, -9223372036854775808]")));
print(json.encode({ key: [1] }, { pretty: true }));
print(json.encode("plain") + json.encode(42) + json.encode(json.decode("[]")));

const kind = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
kind(json.decode, "{");
kind(json.decode, "[1] 2");
kind(json.decode, "");
kind(json.decode, "1e400");
kind(json.decode, "[12345678901234567890]");
kind(json.encode, print);
kind(json.encode, NaN);
kind(json.encode, new Uint8Array([255]));
kind(json.decode);
kind(json.decode, "[".repeat(100));
