-- Every kind of error of a native reaches the script, at once and after a wait.
for _, kind in ipairs(host.kinds) do
  local _, now = pcall(host.fail, kind, "now")
  local _, later = pcall(host.fail_later, kind, "later")
  print(kind .. ": " .. now.kind .. " " .. now.message .. ", " .. later.kind .. " " .. later.message)
end
local ok, e = pcall(host.fail, "busy", "with payload", {code = 7})
print(e.kind .. ": " .. e.message .. " " .. host.show(e.payload))
ok, e = pcall(host.fail_later, "busy", "with a text", "text")
print(e.kind .. ": " .. e.message .. " " .. host.show(e.payload))
