' What the stress tests call. `ran(n)` counts that call number n has run.

def plus(n, x)
  ran(n)
  return x * 3 + 1
enddef
expose("ME.plus", plus)

def waits(n, x)
  ran(n)
  return later(x) * 3 + 1
enddef
expose("ME.waits", waits)

def soon(n, x)
  ran(n)
  wait = lambda () (return later(x))
  return wait() * 3 + 1
enddef
expose("ME.soon", soon)

def relays(n, x, name)
  f = call(name)
  return f(n, x)
enddef
expose("ME.relays", relays)

def applies(n, x, f)
  return f(n, x)
enddef
expose("ME.applies", applies)

def sends_back(n, value)
  ran(n)
  return value
enddef
expose("ME.sends_back", sends_back)

def fails(n, x)
  ran(n)
  raise("no " + str(x))
enddef
expose("ME.fails", fails)

def spins(n)
  ran(n)
  while true
  wend
enddef
expose("ME.spins", spins)

def ticks_on(number, millis)
  while true
    pause(millis)
    tick(number)
  wend
enddef
expose("ME.ticks", ticks_on)

expose("ME.holds", lambda () (return hold()))

expose("ME.blocks", lambda () (return block()))

expose("ME.asks", lambda () (return ask()))

def through(name)
  f = call(name)
  return f()
enddef
expose("ME.through", through)

def nests(other)
  f = call(other + ".through")
  return f("ME.holds")
enddef
expose("ME.nests", nests)

def replies()
  reach()
  text = "x"
  while len(text) < 300000
    text = text + text
  wend
  return left(text, 300000)
enddef
expose("ME.replies", replies)

def asks_for_replies(other)
  f = call(other + ".replies")
  return f()
enddef
expose("ME.asks_for_replies", asks_for_replies)

def cleans()
  finally(lambda () (raise("left")), lambda () (r = try(hold)))
enddef
expose("ME.cleans", cleans)

def catches()
  while true
    r = try(hold)
  wend
enddef
expose("ME.catches", catches)

def calls_back()
  return apply(lambda () (return hold()))
enddef
expose("ME.calls_back", calls_back)

class held
  def to_string()
    hold()
    return "held"
  enddef
endclass
expose("ME.comes_from_inside", lambda () (return str(held)))

def computes()
  reach()
  while true
  wend
enddef
expose("ME.computes", computes)

def passes(native, number)
  f = call(native)
  return f(number)
enddef
expose("ME.passes", passes)

def echoes(value)
  return value
enddef
expose("ME.echoes", echoes)

def starts()
  while true
    pause(1)
  wend
enddef
expose("ME.starts", starts)

def turns_off(how)
  f = call(how)
  return f()
enddef
expose("ME.turns_off", turns_off)
