//! Runaways in BASIC.

use super::{MEMORY, Runaway, TOO_MUCH};
use calog::ErrorKind::{Load, Memory, Raised, Timeout};

pub(crate) const RUNAWAYS: &[Runaway] = &[
    // Loops.
    Runaway::new("while", "while true\nwend"),
    Runaway::new("do", "do\nuntil false"),
    Runaway::new("for step 0", "for i = 1 to 2 step 0\nnext"),
    Runaway::new("for back", "for i = 1 to 2\n  i = 0\nnext"),
    Runaway::new("for limit", "n = 1\nfor i = 1 to n\n  n = n + 1\nnext"),
    Runaway::new("next", "for i = 1 to 2\n  i = 0\n  if true then next\nnext"),
    Runaway::new("goto", "again:\ngoto again"),
    Runaway::new("if goto", "again:\nif true then goto again"),
    Runaway::new("goto out of loops", "again:\nfor i = 1 to 2\n  while true\n    goto again\n  wend\nnext")
        .or(TOO_MUCH),
    Runaway::new("gosub", "again:\ngosub work\ngoto again\nwork:\nreturn"),
    Runaway::new("gosub itself", "again:\ngosub again").or(TOO_MUCH),
    Runaway::new("for in", "while true\n  for x in list(1, 2, 3)\n  next\nwend"),
    Runaway::new(
        "for in object",
        "class c
           def _iterator()
             return me
           enddef
           def _move_next()
             return 1
           enddef
           def _get()
             return 1
           enddef
         endclass
         for x in c
         next",
    ),
    // What catches.
    Runaway::new("try", "f = lambda () (\n  while true\n  wend\n)\nwhile true\n  r = try(f)\nwend"),
    Runaway::new("try raise", "while true\n  r = try(raise, 1)\nwend").or(&[Timeout, Raised, Load]),
    Runaway::new("try error", "f = lambda () (return 1 + \"a\")\nwhile true\n  r = try(f)\nwend"),
    Runaway::new("try itself", "def f()\n  r = try(f)\nenddef\nwhile true\n  f()\nwend").or(TOO_MUCH),
    Runaway::new(
        "try in itself",
        "def f()\n  r = try(f)\n  r = try(f)\nenddef\nwhile true\n  r = try(f)\nwend",
    )
    .or(TOO_MUCH),
    Runaway::new(
        "finally",
        "spin = lambda () (\n  while true\n  wend\n)\nfinally(spin, spin)",
    ),
    Runaway::new(
        "finally again",
        "spin = lambda () (\n  while true\n  wend\n)
         failing = lambda () (raise(\"x\"))
         while true\n  r = try(lambda () (finally(failing, spin)))\nwend",
    ),
    Runaway::new(
        "finally itself",
        "def f()\n  finally(lambda () (\n    while true\n    wend\n  ), f)\nenddef\nf()",
    )
    .or(TOO_MUCH),
    // Recursion.
    Runaway::new("routine itself", "def f()\n  f()\nenddef\nwhile true\n  r = try(f)\nwend").or(TOO_MUCH),
    Runaway::new(
        "routine in an expression",
        "def f(n)\n  return 1 + f(n + 1) * 2\nenddef\nwhile true\n  r = try(f, 1)\nwend",
    )
    .or(TOO_MUCH),
    Runaway::new(
        "routines fork",
        "def f(n)\n  if n = 0 then return 1\n  return f(n - 1) + f(n - 1)\nenddef\nx = f(100)",
    ),
    Runaway::new(
        "lambdas fork",
        "f = lambda (n) (\n  if n = 0 then return 1\n  return f(n - 1) + f(n - 1)\n)\nx = f(100)",
    ),
    Runaway::new("lambda itself", "f = lambda () (return f())\nwhile true\n  r = try(f)\nwend").or(TOO_MUCH),
    Runaway::new(
        "lambda of lambdas",
        "f = lambda (g) (return f(lambda () (return g())))\nwhile true\n  r = try(f, f)\nwend",
    )
    .or(TOO_MUCH),
    Runaway::new("arguments", "def f(...)\n  f(1, ...)\nenddef\nwhile true\n  r = try(f)\nwend").or(TOO_MUCH),
    Runaway::new(
        "to_string itself",
        "class c\n  def to_string()\n    return str(me)\n  enddef\nendclass
         f = lambda () (return str(c))\nwhile true\n  r = try(f)\nwend",
    )
    .or(TOO_MUCH),
    Runaway::new(
        "to_string",
        "class c\n  def to_string()\n    while true\n    wend\n  enddef\nendclass\nprint c;",
    ),
    Runaway::new(
        "hash",
        "class c\n  def hash()\n    while true\n    wend\n  enddef
           def compare(o)\n    return 0\n  enddef\nendclass\nd = dict(c, 1)",
    ),
    Runaway::new(
        "hash all alike",
        "class c\n  def hash()\n    return 1\n  enddef
           def compare(o)\n    return 1\n  enddef\nendclass
         d = dict()\nwhile true\n  d(new(c)) = 1\nwend",
    )
    .or(TOO_MUCH),
    Runaway::new(
        "classes",
        "class c\n  var l = list(1, 2, 3)\nendclass\nl = list()\nwhile true\n  push(l, new(c))\nwend",
    )
    .or(MEMORY),
    // The library over large things.
    Runaway::new("list", "l = list()\nwhile true\n  push(l, l)\nwend").or(MEMORY),
    Runaway::new("dict", "d = dict()\ni = 0\nwhile true\n  i = i + 1\n  d(i) = i\nwend").or(MEMORY),
    Runaway::new("text", "t = \"x\"\nwhile true\n  t = t + t\nwend").or(MEMORY),
    Runaway::new(
        "text again",
        "f = lambda () (\n  t = \"x\"\n  while true\n    t = t + t\n  wend\n)\nwhile true\n  r = try(f)\nwend",
    )
    .or(MEMORY),
    Runaway::new("nested", "l = list()\nwhile true\n  l = list(l)\nwend").or(MEMORY),
    Runaway::new("garbage", "while true\n  l = list(list(), dict(), lambda () (return l))\nwend").or(MEMORY),
    Runaway::new("dim", "while true\n  dim a(1000000)\nwend").or(MEMORY),
    Runaway::new("range", "while true\n  l = list(1 to 1000000)\n  x = l(5)\nwend").or(MEMORY),
    Runaway::new("range huge", "l = list(1 to 9223372036854775807)\nwhile true\n  x = exists(l, \"x\")\nwend")
        .or(TOO_MUCH),
    Runaway::new("sort", "l = list(1000000 to 1)\nwhile true\n  l = sort(clone(l))\n  l(0) = 5\nwend").or(MEMORY),
    Runaway::new("index_of", "l = list(1 to 1000000)\nwhile true\n  x = index_of(l, \"x\")\nwend").or(MEMORY),
    Runaway::new("insert", "l = list()\nwhile true\n  insert(l, 0, 1)\nwend").or(MEMORY),
    Runaway::new(
        "remove",
        "while true\n  l = list(1 to 100000)\n  while len(l) > 0\n    remove(l, 0)\n  wend\nwend",
    )
    .or(MEMORY),
    Runaway::new("clone", "l = list(1 to 100000)\nm = list()\nwhile true\n  push(m, clone(l))\nwend").or(MEMORY),
    Runaway::new("to_array", "l = list(1 to 1000000)\nwhile true\n  a = to_array(l)\nwend").or(MEMORY),
    Runaway::new(
        "mid",
        "t = \"é\"\nfor i = 1 to 20\n  t = t + t\nnext\nwhile true\n  x = mid(t, 1000000, 1)\nwend",
    ),
    Runaway::new("len", "t = \"é\"\nfor i = 1 to 20\n  t = t + t\nnext\nwhile true\n  x = len(t)\nwend"),
    Runaway::new(
        "compare",
        "t = \"é\"\nfor i = 1 to 20\n  t = t + t\nnext\nu = t + \"a\"\nwhile true\n  x = t < u\nwend",
    ),
    Runaway::new(
        "val",
        "t = \"1\"\nfor i = 1 to 20\n  t = t + t\nnext\nwhile true\n  x = val(t)\nwend",
    ),
    Runaway::new("gc", "l = list(1 to 100000)\nwhile true\n  gc()\nwend").or(MEMORY),
    Runaway::new("rnd", "while rnd < 2\nwend"),
    // The host, and what is around.
    Runaway::new("print", "while true\n  print \"x\";\nwend"),
    Runaway::new("print a line", "while true\n  print \"xxxxxxxxxxxxxxxxxxxxxxxx\"\nwend").or(MEMORY),
    Runaway::new("native", "while true\n  x = one()\nwend"),
    Runaway::new("native waits", "while true\n  x = later(1)\nwend"),
    Runaway::new("native never", "never()"),
    Runaway::new("native never caught", "while true\n  r = try(never)\nwend"),
    Runaway::new("native never cleaned up", "finally(call(never), call(never))"),
    Runaway::new("large value", "l = list(1 to 100000)\nwhile true\n  x = later(l)\nwend").or(MEMORY),
    Runaway::new("no such name", "f = lambda () (nobody())\nwhile true\n  r = try(f)\nwend"),
    Runaway::new("expose", "while true\n  expose(\"again\", lambda () (return 1))\nwend"),
    Runaway::new("endless error", "t = \"x\"\nwhile true\n  t = t + t\n  r = try(lambda () (raise(t)))\nwend")
        .or(&[Timeout, Memory, Raised]),
];
