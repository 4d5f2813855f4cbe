' What a script raises has kind `raised`, its message, and a payload if it was more than a text.
def caught(f)
  e = try(host.apply, f)
  print e("kind"), " | ", e("message"), " | ", host.show(e("payload"));
enddef
caught(lambda () (raise("plain text")))
caught(lambda () (raise("no stock", dict("code", 7, "message", "no stock"))))
tags = list("a", "b")
caught(lambda () (raise("nested", dict("message", "nested", "at", dict("line", 3, "tags", tags)))))
caught(lambda () (raise("42", 42)))
caught(lambda () (raise("grüße 🦀")))
caught(lambda () (raise("")))
' An error of the language itself.
e = try(host.apply, lambda () (
  nothing = 0
  return nothing(1)
))
print e("kind");
print host.add(1, 2);
