' Bytes that are no text pass unchanged; only who wants text refuses them.
bytes = chr(255) + chr(0) + chr(254) + chr(128) + "A"
print host.show(bytes);
print host.show(mirror(bytes));
print host.show(mirror(mirror(bytes)));
print length(bytes);
print length(host.later(bytes));
r = try(host.chars, bytes)
print r("kind"), ": ", r("message");
