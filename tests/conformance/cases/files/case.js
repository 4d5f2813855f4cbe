// Files hold what was written, byte by byte, whoever reads them; nothing else may be touched.
const at = (name) => host.folder + "/" + name;
const kind = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
fs.mkdir(at("a/b"));
fs.mkdir(at("a/b"));
fs.write(at("a/text"), "grüße\n");
fs.append(at("a/text"), "two\r\n\nlast");
fs.append(at("a/b/new"), "x");
print(fs.list(at("a")).join(" "));
print(`${fs.stat(at("a/text")).kind} ${fs.stat(at("a/text")).size}`);
print(fs.stat(at("a")).kind);
print(fs.stat(at("a/text")).modified > 1700000000000 ? "now" : "long ago");

const file = fs.open(at("a/text"));
for (let line = fs.read_line(file); line; line = fs.read_line(file)) print(`[${text.decode(line)}]`);
print(host.show(fs.read_line(file)));
print(fs.close(file) && "closed");
print(fs.close(file) ? "closed" : "was closed");
kind(fs.read_line, file);

const bytes = new Uint8Array([0, 255, 128, 65, 10]);
const same = (data) => print(data.join() === bytes.join() ? "the same" : "others");
store("bytes", bytes);
same(fs.read(at("bytes")));
// A language whose strings are bytes gives such of them as are no text as bytes.
same(stored("bytes"));
store("bytes", "");
print(`[${text.decode(fs.read(at("bytes")))}]`);
print(text.decode(text.encode("ça va")));
kind(text.decode, bytes);

kind(fs.remove, at("a"));
fs.remove(at("a/text"));
kind(fs.read, at("a/text"));
kind(fs.stat, at("a/text"));
kind(fs.read, at("a"));
kind(fs.read, at("../secret"));
kind(fs.write, "/secret", "x");
kind(fs.list, "/");
kind(fs.open, "/etc/passwd");

print(env.get("PATH").length > 0 && "a path");
print(host.show(env.get("CALOG_KIT_UNSET")));
kind(env.get, "HOME");
