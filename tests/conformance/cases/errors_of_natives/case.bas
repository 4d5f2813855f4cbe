' Every kind of error of a native reaches the script, at once and after a wait.
for kind in host.kinds
  one = try(host.fail, kind, "now")
  two = try(host.fail_later, kind, "later")
  print kind, ": ", one("kind"), " ", one("message"), ", ", two("kind"), " ", two("message");
next
e = try(host.fail, "busy", "with payload", dict("code", 7))
print e("kind"), ": ", e("message"), " ", host.show(e("payload"));
e = try(host.fail_later, "busy", "with a text", "text")
print e("kind"), ": ", e("message"), " ", host.show(e("payload"));
