// A name belongs to its first owner, and must be one that every language can write.
const attempt = (name) => {
  try {
    expose(name, () => "mine");
    print("fine");
  } catch (e) {
    print(`${e.kind}: ${e.message}`);
  }
};
attempt("theirs");
attempt("theirs.more");
attempt("their");
attempt("host.add");
attempt("host.more");
attempt("host");
attempt("twice");
attempt("motto");
attempt("print");
attempt("a name");
attempt("1st");
attempt("grüße");
attempt("");
attempt("mine");
attempt("mine");
print(theirs());
print(call("mine"));
