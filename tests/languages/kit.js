// What the tests of pairs need of a context: ME is its name, OTHER that of its partner.
(() => {
  let kept;

  // Values.
  expose('ME.echo', (v) => v);
  expose('ME.relay', (v) => OTHER.echo(v));
  expose('ME.keep', (v) => { kept = v; });
  expose('ME.kept', () => kept);
  expose('ME.publish', (v) => { expose('ME.data', v); });
  expose('ME.look', () => OTHER.data);
  expose('ME.drop', () => {
    kept = undefined;
    // Cycles enough for the collector to run, which also finds what was only reachable from one.
    for (let i = 0; i < 50000; i++) {
      const a = {};
      a.a = a;
    }
  });

  // Functions.
  expose('ME.make', (sum) => (x) => { sum += x; return sum; });
  expose('ME.apply', (f, x) => f(x));
  expose('ME.use', (x) => kept(x));
  expose('ME.callback', (x) => {
    let seen;
    const result = OTHER.apply((y) => { seen = y; return y + '!'; }, x);
    return [seen, result];
  });
  expose('ME.fetch', (x) => {
    const add = OTHER.make(10);
    add(x);
    return add(x);
  });
  expose('ME.lend', () => { OTHER.keep((x) => 'of ME: ' + x); });
  expose('ME.comes_home', () => {
    const f = () => {};
    const list = OTHER.echo([f]);
    return OTHER.echo(f) === f && list[0] === f;
  });
  expose('ME.forward', (x) => THIRD.apply(OTHER.make(5), x));

  // Depth.
  expose('ME.bounce', (n) => n === 0 ? 0 : 1 + OTHER.bounce(n - 1));
  expose('ME.fathom', () => {
    try {
      OTHER.bounce(1000000);
      return [true];
    } catch (e) {
      return [false, e.kind];
    }
  });

  // Errors.
  expose('ME.raise', (message) => { throw Object.assign(new Error(message), { code: 7 }); });
  expose('ME.fall', (n) => {
    if (n === 0) throw Object.assign(new Error('fell'), { code: 7 });
    const result = OTHER.fall(n - 1);
    return result;
  });
  const caught = (f) => {
    try {
      f();
    } catch (e) {
      return e;
    }
  };
  expose('ME.catch', (message) => {
    const e = caught(() => OTHER.raise(message));
    return [e.kind, e.message, e.payload.code];
  });
  expose('ME.rethrow', (message) => { throw caught(() => OTHER.raise(message)); });
  expose('ME.fail', (kind) => { fail(kind, 'what went wrong'); });
  expose('ME.caught', (kind) => {
    const e = caught(() => OTHER.fail(kind));
    return [e.kind, e.message, e.trace.length > 0];
  });
})()
