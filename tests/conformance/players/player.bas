' Plays trees of actions; `trees.rs` says what each of them means.
name = host.name()

def play(n)
  op = n("op")
  if op = "value" then
    return n("value")
  elseif op = "fail" then
    host.fail_later(n("kind"), "failed", dict("code", n("code")))
  elseif op = "raise" then
    raise("raised", dict("code", n("code")))

  elseif op = "later" then
    return host.later(play(n("node")))
  elseif op = "apply" then
    return host.apply(call(play), n("node"))
  elseif op = "call" then
    there = call(n("to") + ".play")
    return there(n("node"))
  elseif op = "back" then
    there = call(n("to") + ".back")
    return there(lambda () (return play(n("node"))))
  elseif op = "make" then
    there = call(n("to") + ".make")
    made = there(n("node"))
    return made()

  elseif op = "rethrow" then
    r = try(play, n("node"))
    if not r("ok") then raise(r)
    return r("value")

  elseif op = "sum" then
    sum = 0
    for node in n("nodes")
      sum = sum + play(node)
    next
    return sum

  elseif op = "yielded" then
    nodes = n("nodes")
    at = -1
    following = lambda () (
      at = at + 1
      return play(nodes(at))
    )
    sum = 0
    while at < len(nodes) - 1
      sum = sum + following()
    wend
    return sum

  elseif op = "catch" then
    nodes = n("nodes")
    r = try(play, nodes(0))
    if r("ok") then return r("value")
    payload = r("payload")
    return payload("code") + play(nodes(1))

  elseif op = "ensure" then
    return finally(lambda () (return play(n("node"))), lambda () (print n("mark");))

  elseif op = "together" then
    nodes = n("nodes")
    one = lambda () (return play(nodes(0)))
    two = lambda () (return play(nodes(1)))
    results = host.together(one, two)
    return results(0) + results(1)

  elseif op = "hang" then
    host.hang(n("key"))

  elseif op = "clean" then
    cleaned = lambda () (host.cleaned(name, n("key")))
    return finally(lambda () (return play(n("node"))), cleaned)

  elseif op = "cancel" then
    return len(host.cancel(lambda () (return play(n("node"))), n("count"), n("key")))
  endif
enddef

expose(name + ".play", play)
expose(name + ".back", lambda (f) (return f() + 1))
expose(name + ".make", lambda (n) (return lambda () (return play(n))))
