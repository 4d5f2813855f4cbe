-- What a script raises has kind `raised`, its message, and a payload if it was more than a text.
local function caught(f)
  local ok, e = pcall(host.apply, f)
  print(e.kind .. " | " .. e.message .. " | " .. host.show(e.payload))
end
caught(function() error("plain text", 0) end)
caught(function() error({code = 7, message = "no stock"}) end)
caught(function() error({message = "nested", at = {line = 3, tags = {"a", "b"}}}) end)
caught(function() error(42) end)
caught(function() error("grüße 🦀", 0) end)
caught(function() error("", 0) end)
-- An error of the language itself.
local ok, e = pcall(host.apply, function()
  local nothing
  return nothing.member
end)
print(e.kind)
print(host.add(1, 2))
