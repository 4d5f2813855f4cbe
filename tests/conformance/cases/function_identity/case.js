// A function that comes home is itself again.
const f = () => "f";
const g = () => "g";
print(host.echo(f) === f);
print(mirror(f) === f);
print(mirror({ list: [f] }).list[0] === f);
print(mirror(g) === f);
print(is_own(give()));
print(is_own(f));
print(mirror(f)());
