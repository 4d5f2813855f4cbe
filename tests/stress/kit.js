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
null
