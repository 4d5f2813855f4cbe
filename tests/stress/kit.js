// What the stress tests call. `ran(n)` counts that call number n has run.

expose('ME.plus', (n, x) => {
  ran(n);
  return x * 3 + 1;
});

expose('ME.waits', (n, x) => {
  ran(n);
  return later(x) * 3 + 1;
});

expose('ME.soon', async (n, x) => {
  ran(n);
  return await later.async(x) * 3 + 1;
});

expose('ME.relays', (n, x, name) => call(name, n, x));

expose('ME.applies', (n, x, f) => f(n, x));

expose('ME.sends_back', (n, value) => {
  ran(n);
  return value;
});

expose('ME.fails', (n, x) => {
  ran(n);
  throw new Error('no ' + x);
});

expose('ME.spins', (n) => {
  ran(n);
  for (;;);
});

expose('ME.ticks', (number, millis) => {
  for (;;) {
    pause(millis);
    tick(number);
  }
});

expose('ME.holds', () => hold());

expose('ME.blocks', () => block());

expose('ME.asks', () => ask());

expose('ME.through', (name) => call(name));

expose('ME.nests', (other) => call(other + '.through', 'ME.holds'));

expose('ME.replies', () => {
  reach();
  return 'x'.repeat(300000);
});

expose('ME.asks_for_replies', (other) => call(other + '.replies'));

expose('ME.cleans', () => {
  try {
    throw new Error('left');
  } finally {
    try { hold(); } catch {}
  }
});

expose('ME.catches', () => {
  for (;;) { try { hold(); } catch {} }
});

expose('ME.calls_back', () => apply(() => hold()));

expose('ME.comes_from_inside', async () => {
  await new Promise((done, failed) => { setTimeout(() => hold.async().then(done, failed), 0); });
});

expose('ME.computes', () => {
  reach();
  for (;;);
});

expose('ME.passes', (native, number) => call(native, number));

expose('ME.echoes', (value) => value);

expose('ME.starts', () => {
  setInterval(() => { pause(1); }, 1);
  Promise.resolve().then(async () => { for (;;) await pause.async(1); });
  for (;;) pause(1);
});

expose('ME.turns_off', (how) => call(how));
null
