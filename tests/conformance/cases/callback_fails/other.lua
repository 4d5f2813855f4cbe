expose("attempt_there", function(f)
  local ok, e = pcall(f)
  if ok then return "fine" end
  return {kind = e.kind, message = e.message}
end)
