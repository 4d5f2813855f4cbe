-- The trace of an error names every script on its way, the outermost first, and the native.
local function caught(f)
  local ok, e = pcall(f)
  local function place(text)
    for i, frame in ipairs(e.trace) do
      if frame:find(text, 1, true) then return i end
    end
    return 0
  end
  local other, last = place("other."), #e.trace
  print(other > 0 and place("case.") > 0)
  print(e.trace[last])
  -- The callback comes after the one who calls it.
  local after = false
  for i = other, last do after = after or e.trace[i]:find("case.", 1, true) ~= nil end
  print(after)
end
caught(function() return through(function() host.fail("busy", "no room") end) end)
caught(function() return through(function() host.fail_later("busy", "no room") end) end)
