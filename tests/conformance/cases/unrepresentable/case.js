// A value in a circle, or nested too deep, is an error of its own kind, as argument and as result.
const attempt = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
const nested = (depth) => {
  let value = [];
  for (let i = 2; i <= depth; i++) value = [value];
  return value;
};
const circle = {};
circle.list = [circle];
attempt(host.count, circle);
attempt(mirror, circle);
attempt(endless);
attempt(host.apply, () => circle);
attempt(mirror, nested(64));
attempt(host.count, nested(65));
attempt(mirror, nested(65));
attempt(host.apply, () => nested(65));
// What occurs twice without a circle is copied.
const part = [1];
print(host.show(mirror([part, part])));
