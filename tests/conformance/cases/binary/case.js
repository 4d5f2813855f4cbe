// Bytes that are no text pass unchanged; only who wants text refuses them.
const bytes = new Uint8Array([0xff, 0x00, 0xfe, 0x80, 0x41]);
print(host.show(bytes));
print(host.show(mirror(bytes)));
print(host.show(mirror(mirror(bytes))));
print(length(bytes));
print(length(host.later(bytes)));
try {
  host.chars(bytes);
} catch (e) {
  print(`${e.kind}: ${e.message}`);
}
