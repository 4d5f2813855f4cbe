// When a context closes, what must run in the end runs in its calls; who waits for them is told.
const results = host.together(
  () => {
    try {
      stuck();
    } catch (e) {
      return e.kind;
    } finally {
      print("closed by case");
    }
  },
  () => {
    host.wait("stuck");
    host.close("other");
    return "closed";
  },
);
print(host.show(results));
