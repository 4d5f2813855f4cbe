// Every scalar comes back from another language as what it was.
const show = (value) => print(host.show(mirror(value)));
show(null);
show(0);
show(-7);
show(9007199254740991);
show(9007199254740992n);
show(9007199254740993n);
show(-9007199254740993n);
show(9223372036854775807n);
show(-9223372036854775808n);
show(0.5);
show(-0);
show(1e300);
show(5e-324);
show(1 / 0);
show(-1 / 0);
show(0 / 0);
show("");
show("7");
// What the script itself sees of it.
print(mirror(9007199254740993n) === 9007199254740993n);
print(mirror(0.5) === 0.5);
print(mirror(undefined) === undefined);
