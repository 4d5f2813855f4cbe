// A script calls another, which calls back into it, while it still waits; its state is one.
let visits = 0;
expose("ping", (n) => {
  visits += 1;
  if (n === 0) return "done in case";
  return pong(n - 1);
});
print(pong(10));
print(visits);
print(pong(9));
print(visits);
print(ping(host.later(3)));
print(visits);
