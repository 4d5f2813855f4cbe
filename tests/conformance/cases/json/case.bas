' JSON means the same to all: ints and reals stay apart, and what it cannot say is an error.
q = chr(34)
def quoted(word)
  return q + word + q
enddef
source = "{" + quoted("id") + ": 7, " + quoted("price") + ": 0.5, " + quoted("tags") + ": ["
source = source + quoted("a") + ", " + quoted("grüße 🦀") + ", " + quoted("\u00e9\n") + "], "
source = source + quoted("none") + ": {" + quoted("of") + ": [-3, 1e-2]}}"
print host.show(json.decode(source));
print host.show(decoded(source));
print host.show(json.decode(encoded(decoded(source))));
print json.encode(list(1, 0.5, "two", list("a " + quoted("quoted") + " \ text")));
print encoded(list(3, 4.25, list()));
print json.encode(json.decode("[9007199254740993, -9223372036854775808]"));
print json.encode(dict("key", list(1)), dict("pretty", true));
print json.encode("plain") + json.encode(42) + json.encode(json.decode("[]"));

def kind(e)
  if e("ok") then print "fine"; else print e("kind");
enddef
kind(try(json.decode, "{"))
kind(try(json.decode, "[1] 2"))
kind(try(json.decode, ""))
kind(try(json.decode, "1e400"))
kind(try(json.decode, "[12345678901234567890]"))
kind(try(json.encode, lambda () (return 1)))
kind(try(json.encode, 0 / 0))
kind(try(json.encode, chr(255)))
kind(try(json.decode))
deep = ""
for i = 1 to 100
  deep = deep + "["
next
kind(try(json.decode, deep))
