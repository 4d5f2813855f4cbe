// A call that is given up runs its cleanup and goes no further; its context stays usable.
let calls = 0;
for (let i = 0; i < 3; i++) {
  print(host.show(host.cancel(stuck, 1)));
  print(calls_there());
  print(host.show(host.cancel(() => {
    calls += 1;
    try {
      host.hang();
      print("never printed");
    } finally {
      host.cleaned("case");
    }
  }, 1)));
  print(calls);
}
print(host.later("still here"));
