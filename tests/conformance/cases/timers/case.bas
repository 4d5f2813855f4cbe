' A script sleeps, and is called back once and again; a callback may be another script's.
def yes(was)
  if was then return "yes"
  return "no"
enddef
print host.show(timer.sleep(0));
before = time.monotonic()
timer.sleep(2.5)
print yes(time.monotonic() - before >= 2.5);
print yes(time.now() > 1700000000000);

beats = 0
beat = 0
beat = timer.every(1, lambda () (
  beats = beats + 1
  print "beat ", beats;
  if beats = 3 then
    print yes(timer.cancel(beat)), ", ", yes(timer.cancel(beat));
    host.signal("beaten")
  endif
))
host.wait("beaten")
print beats;

' What is cancelled is never called.
never = timer.after(100000, lambda () (print "never";))
print yes(timer.cancel(never)), ", ", yes(timer.cancel(never));
print yes(timer.cancel(123456789));

' The callback of another script runs there; one that waits goes on.
timer.after(1, call(ring))
host.wait("rung")
timer.after(1, lambda () (
  timer.sleep(1)
  print answer(20);
  timer.after(1, lambda () (
    print "nested";
    host.signal("nested")
  ))
))
host.wait("nested")

' Handles are ints, each is given once, and a script finds only its own.
one = timer.after(100000, call(ring))
two = timer.after(100000, call(ring))
print yes(one > 0 and two > one);
print cancel_here(one);
print yes(timer.cancel(one) and timer.cancel(two));

def kind(e)
  print e("kind");
enddef
kind(try(timer.sleep, -1))
kind(try(timer.after, -0.5, call(ring)))
kind(try(timer.every, "x", call(ring)))
kind(try(timer.every, 10, "x"))
kind(try(timer.sleep))
kind(try(timer.cancel, "x"))
