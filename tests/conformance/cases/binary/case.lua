-- Bytes that are no text pass unchanged; only who wants text refuses them.
local bytes = "\xff\x00\xfe\x80A"
print(host.show(bytes))
print(host.show(mirror(bytes)))
print(host.show(mirror(mirror(bytes))))
print(length(bytes))
print(length(host.later(bytes)))
local ok, e = pcall(host.chars, bytes)
print(e.kind .. ": " .. e.message)
