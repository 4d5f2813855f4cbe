-- A script sleeps, and is called back once and again; a callback may be another script's.
local function yes(was) return was and "yes" or "no" end
print(host.show(timer.sleep(0)))
local before = time.monotonic()
timer.sleep(2.5)
print(yes(time.monotonic() - before >= 2.5))
print(yes(time.now() > 1700000000000))

local beats, beat = 0, nil
beat = timer.every(1, function()
  beats = beats + 1
  print("beat " .. beats)
  if beats == 3 then
    print(yes(timer.cancel(beat)) .. ", " .. yes(timer.cancel(beat)))
    host.signal("beaten")
  end
end)
host.wait("beaten")
print(beats)

-- What is cancelled is never called.
local never = timer.after(100000, function() print("never") end)
print(yes(timer.cancel(never)) .. ", " .. yes(timer.cancel(never)))
print(yes(timer.cancel(123456789)))

-- The callback of another script runs there; one that waits goes on.
timer.after(1, ring)
host.wait("rung")
timer.after(1, function()
  timer.sleep(1)
  print(answer(20))
  timer.after(1, function()
    print("nested")
    host.signal("nested")
  end)
end)
host.wait("nested")

-- Handles are ints, each is given once, and a script finds only its own.
local one, two = timer.after(100000, ring), timer.after(100000, ring)
print(yes(one > 0 and two > one))
print(cancel_here(one))
print(yes(timer.cancel(one) and timer.cancel(two)))

local function kind(f, ...)
  local _, e = pcall(f, ...)
  print(e.kind)
end
kind(timer.sleep, -1)
kind(timer.after, -0.5, ring)
kind(timer.every, "x", ring)
kind(timer.every, 10, "x")
kind(timer.sleep)
kind(timer.cancel, "x")
