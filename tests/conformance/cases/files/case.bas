' Files hold what was written, byte by byte, whoever reads them; nothing else may be touched.
def at(name)
  return host.folder + "/" + name
enddef
def kind(e)
  if e("ok") then print "fine"; else print e("kind");
enddef
fs.mkdir(at("a/b"))
fs.mkdir(at("a/b"))
fs.write(at("a/text"), "grüße" + chr(10))
fs.append(at("a/text"), "two" + chr(13) + chr(10) + chr(10) + "last")
fs.append(at("a/b/new"), "x")
names = fs.list(at("a"))
print names(0), " ", names(1);
stat = fs.stat(at("a/text"))
print stat("kind"), " ", stat("size");
print get(fs.stat(at("a")), "kind");
if stat("modified") > 1700000000000 then print "now"; else print "long ago";

file = fs.open(at("a/text"))
line = fs.read_line(file)
while line is type("STRING")
  print "[", line, "]";
  line = fs.read_line(file)
wend
print host.show(fs.read_line(file));
if fs.close(file) then print "closed";
if fs.close(file) then print "closed"; else print "was closed";
kind(try(fs.read_line, file))

bytes = chr(0) + chr(255) + chr(128) + "A" + chr(10)
store("bytes", bytes)
if fs.read(at("bytes")) = bytes then print "the same"; else print "others";
if stored("bytes") = bytes then print "the same"; else print "others";
store("bytes", "")
print "[", fs.read(at("bytes")), "]";
print text.decode(text.encode("ça va"));
kind(try(text.decode, bytes))

kind(try(fs.remove, at("a")))
fs.remove(at("a/text"))
kind(try(fs.read, at("a/text")))
kind(try(fs.stat, at("a/text")))
kind(try(fs.read, at("a")))
kind(try(fs.read, at("../secret")))
kind(try(fs.write, "/secret", "x"))
kind(try(fs.list, "/"))
kind(try(fs.open, "/etc/passwd"))

if len(env.get("PATH")) > 0 then print "a path";
print host.show(env.get("CALOG_KIT_UNSET"));
kind(try(env.get, "HOME"))
