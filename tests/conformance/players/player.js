// Plays trees of actions; `trees.rs` says what each of them means.
const name = host.name();

const ops = {
  value: (n) => n.value,
  fail: (n) => host.fail_later(n.kind, "failed", { code: n.code }),
  raise: (n) => {
    throw { message: "raised", code: n.code };
  },

  later: (n) => host.later(play(n.node)),
  apply: (n) => host.apply(play, n.node),
  call: (n) => call(n.to + ".play", n.node),
  back: (n) => call(n.to + ".back", () => play(n.node)),
  make: (n) => call(n.to + ".make", n.node)(),

  rethrow: (n) => {
    try {
      return play(n.node);
    } catch (e) {
      throw e;
    }
  },

  sum: (n) => n.nodes.reduce((sum, node) => sum + play(node), 0),

  yielded: (n) => {
    function* yielded() {
      for (const node of n.nodes) yield play(node);
    }
    let sum = 0;
    for (const value of yielded()) sum += value;
    return sum;
  },

  catch: (n) => {
    try {
      return play(n.nodes[0]);
    } catch (e) {
      // What did not cross is still the object that was thrown.
      return (e.payload ?? e).code + play(n.nodes[1]);
    }
  },

  ensure: (n) => {
    try {
      return play(n.node);
    } finally {
      print(n.mark);
    }
  },

  together: (n) => {
    const [one, two] = host.together(() => play(n.nodes[0]), () => play(n.nodes[1]));
    return one + two;
  },

  hang: (n) => host.hang(n.key),

  clean: (n) => {
    try {
      return play(n.node);
    } finally {
      host.cleaned(name, n.key);
    }
  },

  cancel: (n) => host.cancel(() => play(n.node), n.count, n.key).length,
};

function play(n) {
  return ops[n.op](n);
}

expose(name + ".play", (n) => play(n));
expose(name + ".back", (f) => f() + 1);
expose(name + ".make", (n) => () => play(n));
