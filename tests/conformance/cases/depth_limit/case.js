// Endless recursion between scripts ends in an error that can be caught, and harms nobody.
let deepest = 0;
expose("dive", (n) => {
  deepest = n;
  return back(n + 1);
});
for (let i = 0; i < 2; i++) {
  try {
    back(1);
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
  print(deepest);
}
