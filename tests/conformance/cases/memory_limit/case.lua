-- A script that takes more memory than it may fails; its context, and everybody else, goes on.
local function try(f)
  local ok, e = pcall(f)
  print(ok and "fine" or e.kind)
end
for _ = 1, 3 do
  try(fill)
  print(add_there(1, 2))
  try(grow)
  print(add_there(3, 4))
end
