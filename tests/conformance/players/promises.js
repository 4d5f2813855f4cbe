// Plays trees of actions with promises; `trees.rs` says what each of them means.
const name = host.name();

const ops = {
  value: async (n) => n.value,
  fail: (n) => host.fail_later.async(n.kind, "failed", { code: n.code }),
  raise: async (n) => {
    throw { message: "raised", code: n.code };
  },

  later: async (n) => host.later.async(await play(n.node)),
  apply: (n) => host.apply.async(play, n.node),
  call: (n) => call.async(n.to + ".play", n.node),
  back: (n) => call.async(n.to + ".back", () => play(n.node)),
  make: async (n) => host.apply.async(await call.async(n.to + ".make", n.node)),

  rethrow: async (n) => {
    try {
      return await play(n.node);
    } catch (e) {
      throw e;
    }
  },

  sum: async (n) => {
    let sum = 0;
    for (const node of n.nodes) sum += await play(node);
    return sum;
  },

  yielded: async (n) => {
    async function* yielded() {
      for (const node of n.nodes) yield play(node);
    }
    let sum = 0;
    for await (const value of yielded()) sum += value;
    return sum;
  },

  catch: async (n) => {
    try {
      return await play(n.nodes[0]);
    } catch (e) {
      // What did not cross is still the object that was thrown.
      return (e.payload ?? e).code + (await play(n.nodes[1]));
    }
  },

  ensure: async (n) => {
    try {
      return await play(n.node);
    } finally {
      print(n.mark);
    }
  },

  together: async (n) => {
    const [one, two] = await host.together.async(() => play(n.nodes[0]), () => play(n.nodes[1]));
    return one + two;
  },

  hang: (n) => host.hang.async(n.key),

  clean: async (n) => {
    try {
      return await play(n.node);
    } finally {
      host.cleaned(name, n.key);
    }
  },

  cancel: async (n) => (await host.cancel.async(() => play(n.node), n.count, n.key)).length,
};

function play(n) {
  return ops[n.op](n);
}

expose(name + ".play", (n) => play(n));
expose(name + ".back", async (f) => (await host.apply.async(f)) + 1);
expose(name + ".make", (n) => () => play(n));
