// A script sleeps, and is called back once and again; a callback may be another script's.
const yes = (was) => (was ? "yes" : "no");
print(host.show(timer.sleep(0)));
const before = time.monotonic();
timer.sleep(2.5);
print(yes(time.monotonic() - before >= 2.5));
print(yes(time.now() > 1700000000000));

let beats = 0;
const beat = timer.every(1, () => {
  beats += 1;
  print(`beat ${beats}`);
  if (beats === 3) {
    print(`${yes(timer.cancel(beat))}, ${yes(timer.cancel(beat))}`);
    host.signal("beaten");
  }
});
host.wait("beaten");
print(beats);

// What is cancelled is never called.
const never = timer.after(100000, () => print("never"));
print(`${yes(timer.cancel(never))}, ${yes(timer.cancel(never))}`);
print(yes(timer.cancel(123456789)));

// The callback of another script runs there; one that waits goes on.
timer.after(1, ring);
host.wait("rung");
timer.after(1, async () => {
  await timer.sleep.async(1);
  print(answer(20));
  timer.after(1, () => {
    print("nested");
    host.signal("nested");
  });
});
host.wait("nested");

// Handles are ints, each is given once, and a script finds only its own.
const one = timer.after(100000, ring);
const two = timer.after(100000, ring);
print(yes(one > 0 && two > one));
print(cancel_here(one));
print(yes(timer.cancel(one) && timer.cancel(two)));

const kind = (f, ...args) => {
  try {
    f(...args);
  } catch (e) {
    print(e.kind);
  }
};
kind(timer.sleep, -1);
kind(timer.after, -0.5, ring);
kind(timer.every, "x", ring);
kind(timer.every, 10, "x");
kind(timer.sleep);
kind(timer.cancel, "x");
