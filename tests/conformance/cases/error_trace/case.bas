' The trace of an error names every script on its way, the outermost first, and the native.
def contains(text, part)
  for at = 0 to len(text) - len(part)
    if mid(text, at, len(part)) = part then return true
  next
  return false
enddef
def place(frames, text)
  for i = 0 to len(frames) - 1
    if contains(frames(i), text) then return i
  next
  return -1
enddef
def show(truth)
  if truth then print "true"; else print "false";
enddef
def caught(f)
  r = try(f)
  frames = r("trace")
  last = len(frames) - 1
  other = place(frames, "other.")
  show(other >= 0 and place(frames, "case.") >= 0)
  print frames(last);
  ' The callback comes after the one who calls it.
  after = false
  for i = other to last
    if contains(frames(i), "case.") then after = true
  next
  show(after)
enddef
caught(lambda () (return through(lambda () (host.fail("busy", "no room")))))
caught(lambda () (return through(lambda () (host.fail_later("busy", "no room")))))
