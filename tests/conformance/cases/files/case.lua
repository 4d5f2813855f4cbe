-- Files hold what was written, byte by byte, whoever reads them; nothing else may be touched.
local function at(name) return host.folder .. "/" .. name end
local function kind(f, ...)
  local ok, e = pcall(f, ...)
  print(ok and "fine" or e.kind)
end
fs.mkdir(at("a/b"))
fs.mkdir(at("a/b"))
fs.write(at("a/text"), "grüße\n")
fs.append(at("a/text"), "two\r\n\nlast")
fs.append(at("a/b/new"), "x")
print(table.concat(fs.list(at("a")), " "))
print(fs.stat(at("a/text")).kind .. " " .. fs.stat(at("a/text")).size)
print(fs.stat(at("a")).kind)
print(fs.stat(at("a/text")).modified > 1700000000000 and "now" or "long ago")

local file = fs.open(at("a/text"))
for line in function() return fs.read_line(file) end do print("[" .. line .. "]") end
print(host.show(fs.read_line(file)))
print(fs.close(file) and "closed")
print(fs.close(file) and "closed" or "was closed")
kind(fs.read_line, file)

local bytes = "\0\255\128A\n"
store("bytes", bytes)
print(fs.read(at("bytes")) == bytes and "the same" or "others")
print(stored("bytes") == bytes and "the same" or "others")
store("bytes", "")
print("[" .. fs.read(at("bytes")) .. "]")
print(text.decode(text.encode("ça va")))
kind(text.decode, bytes)

kind(fs.remove, at("a"))
fs.remove(at("a/text"))
kind(fs.read, at("a/text"))
kind(fs.stat, at("a/text"))
kind(fs.read, at("a"))
kind(fs.read, at("../secret"))
kind(fs.write, "/secret", "x")
kind(fs.list, "/")
kind(fs.open, "/etc/passwd")

print(#env.get("PATH") > 0 and "a path")
print(host.show(env.get("CALOG_KIT_UNSET")))
kind(env.get, "HOME")
