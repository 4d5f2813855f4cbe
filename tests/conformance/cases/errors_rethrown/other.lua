-- Catches everything, and raises it again as it is.
expose("rethrown", function(f)
  local ok, e = pcall(f)
  if not ok then error(e, 0) end
  return e
end)
expose("renamed", function(f)
  local ok, e = pcall(f)
  error({message = "renamed: " .. e.message, was = e.kind})
end)
