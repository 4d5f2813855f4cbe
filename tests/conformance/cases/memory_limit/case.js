// A script that takes more memory than it may fails; its context, and everybody else, goes on.
const attempt = (f) => {
  try {
    f();
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
for (let i = 0; i < 3; i++) {
  attempt(fill);
  print(add_there(1, 2));
  attempt(grow);
  print(add_there(3, 4));
}
