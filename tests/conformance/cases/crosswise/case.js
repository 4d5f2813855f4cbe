// Two scripts call each other at the same time, and nobody waits for ever.
expose("home", (name) => "the home of case, with " + host.later(name));
const out = () => "out: " + visit("case");
for (let i = 0; i < 3; i++) {
  print(host.show(host.together(out, go_out)));
  print(host.show(host.together(go_out, out)));
}
