// Functions pass inside of lists and maps, and in exported data.
print(host.show(use({
  name: () => "box",
  list: [(i) => i * 10, (i) => host.later(i * 100)],
})));
print(tools.describe("saw"));
print(host.echo({ f: () => "nested" }).f());
