//! BASIC that does not end, that eats memory, that is nested without end or written to hurt its
//! reader, and callers that go away: the service goes on.

#![cfg(all(feature = "basic", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod basic_support;

use basic_support::*;
use calog::{Broker, Context, Error, ErrorKind, Limits, Value};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// The deadline of the runaways.
const DEADLINE: Duration = Duration::from_millis(60);

/// A slice so short that every loop is interrupted over and over.
const SLICE: Duration = Duration::from_micros(300);

/// Programs that never end, each in its own way. `ran()` is called once they are about to.
const RUNAWAYS: &[&str] = &[
    // Every kind of loop.
    "ran()\nwhile true\nwend",
    "ran()\nwhile true\n  x = x + 1\nwend",
    "ran()\ndo\nuntil false",
    "ran()\nfor i = 1 to 2 step 0\nnext",
    "ran()\nfor i = 1 to 2\n  i = 0\nnext",
    "ran()\nfor i = 1 to 2\n  i = 0\n  if true then next\nnext",
    "ran()\nn = 1\nfor i = 1 to n\n  n = n + 1\nnext",
    "ran()\nwhile true\n  for x in list(1 to 10)\n    if x = 5 then exit\n  next\nwend",
    "ran()\nagain:\ngoto again",
    "ran()\nagain:\nx = x + 1\nif x then goto again",
    "ran()\nagain:\ngosub work\ngoto again\nwork:\nreturn",
    "ran()\nwhile true\n  goto out\n  out:\nwend",
    // Routines, lambdas, methods.
    "def work()\n  ran()\n  while true\n  wend\nenddef\nwork()",
    "f = lambda () (\n  ran()\n  while true\n  wend\n)\nf()",
    "def work(n)\n  if n = 0 then return 1\n  return work(n - 1) + work(n - 1)\nenddef\nran()\nx = work(100)",
    "fork = lambda (n) (\n  if n = 0 then return 1\n  return fork(n - 1) + fork(n - 1)\n)\nran()\nx = fork(100)",
    "class forks\n  def m(n)\n    if n = 0 then return 1\n    return me.m(n - 1) + me.m(n - 1)\n  enddef\nendclass\nran()\nx = forks.m(100)",
    "class shows\n  var n = 100\n  def to_string()\n    if n = 0 then return \"x\"\n    n = n - 1\n    t = str(me) + str(me)\n    n = n + 1\n    return t\n  enddef\nendclass\nran()\nprint shows;",
    "endless = lambda () (return endless())\nran()\nwhile true\n  r = try(endless)\nwend",
    "class c\n  def m()\n    while true\n    wend\n  enddef\nendclass\nran()\nc.m()",
    "class c\n  def to_string()\n    while true\n    wend\n  enddef\nendclass\nran()\nprint c;",
    "class c\n  def to_string()\n    while true\n    wend\n  enddef\nendclass\nran()\nx = str(c)",
    "class c\n  def _iterator()\n    return me\n  enddef\n  def _move_next()\n    return 1\n  enddef\n  def _get()\n    return 1\n  enddef\nendclass\nran()\nfor x in c\nnext",
    "class c\n  def _len()\n    while true\n    wend\n  enddef\nendclass\nran()\nx = len(c)",
    "class c\n  def hash()\n    while true\n    wend\n  enddef\n  def compare(o)\n    return 0\n  enddef\nendclass\nran()\nd = dict(c, 1)",
    // What catches, and what cleans up.
    "f = lambda () (\n  while true\n  wend\n)\nran()\nwhile true\n  r = try(f)\nwend",
    "f = lambda () (return 1 + \"a\")\nran()\nwhile true\n  r = try(f)\nwend",
    "f = lambda () (raise(\"x\"))\nran()\nwhile true\n  r = try(f)\nwend",
    "f = lambda () (\n  while true\n  wend\n)\nran()\nfinally(f, f)",
    "f = lambda () (\n  while true\n  wend\n)\ng = lambda () (raise(\"x\"))\nran()\nfinally(g, f)",
    "f = lambda () (\n  while true\n    r = try(never)\n  wend\n)\nran()\nfinally(call(never), f)",
    "ran()\nfinally(call(never), call(never))",
    // The host.
    "ran()\nnever()",
    "ran()\nwhile true\n  r = try(never)\nwend",
    "ran()\nwhile true\n  x = one()\nwend",
    "ran()\nwhile true\n  x = later(1)\nwend",
    "ran()\nwhile true\n  print \"x\";\nwend",
    "ran()\nwhile true\n  expose(\"again\", lambda () (return 1))\nwend",
    "f = lambda () (nobody())\nran()\nwhile true\n  r = try(f)\nwend",
    "f = lambda () (\n  while true\n  wend\n)\nran()\napply(f)",
    // Long steps of the library.
    "l = list(1 to 30000)\nran()\nwhile true\n  x = sort(clone(l))\nwend",
    "l = list(1 to 30000)\nran()\nwhile true\n  x = index_of(l, \"x\")\nwend",
    "l = list(1 to 30000)\nran()\nwhile true\n  x = later(l)\nwend",
    "t = \"é\"\nfor i = 1 to 17\n  t = t + t\nnext\nran()\nwhile true\n  x = mid(t, 100000, 1)\nwend",
    "ran()\nwhile true\n  l = list(list(), dict(), lambda () (return l))\n  l = 0\nwend",
    "ran()\nwhile true\n  gc()\nwend",
];

/// A broker whose native `ran` tells that a program is under way, and a context with an innocent
/// function.
async fn stage(limits: Limits) -> (Broker, Context, async_channel::Receiver<()>) {
    let (sender, receiver) = async_channel::unbounded();
    let ran = move || {
        let _ = sender.try_send(());
    };
    let broker = builder().limits(limits).native("ran", ran).build().unwrap();
    let context = basic(&broker, "expose(\"innocent\", lambda (x) (return later(x) + 1))").await;
    (broker, context, receiver)
}

// Every runaway ends soon after its deadline, a call that waits meanwhile is answered, and the
// context can be used afterwards.
#[tokio::test]
async fn every_runaway_ends_at_its_deadline_and_its_context_goes_on() {
    for limits in [Limits::default(), Limits::default().slice(SLICE)] {
        let (_broker, context, _ran) = stage(limits).await;
        let mut wrong = Vec::new();
        for source in RUNAWAYS {
            let start = Instant::now();
            let result = within(context.eval::<Value>(source).deadline(DEADLINE)).await;
            let took = start.elapsed();
            if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout) {
                wrong.push(format!("{source}\n    ended with {result:?}"));
            } else if took > DEADLINE + LATE {
                wrong.push(format!("{source}\n    took {took:?}"));
            }
            let after = within(context.call::<i64>("innocent", (5,))).await;
            if after != Ok(6) {
                wrong.push(format!("{source}\n    afterwards {after:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(is_quiet_again(&context).await);
    }
}

// A caller that goes away takes its call with it, wherever the program is.
#[tokio::test]
async fn a_dropped_call_ends_in_every_kind_of_loop() {
    let (_broker, context, ran) = stage(Limits::default()).await;
    for source in RUNAWAYS {
        let call = tokio::spawn(context.eval::<Value>(source));
        within(ran.recv()).await.unwrap();
        call.abort();
        assert!(call.await.is_err_and(|error| error.is_cancelled()));
        assert!(is_quiet_again(&context).await, "something is left of {source}");
        while ran.try_recv().is_ok() {}
    }
    assert_eq!(within(context.call::<i64>("innocent", (5,))).await, Ok(6));
}

// A program that computes is preempted: the other contexts of its worker go on, at once.
#[tokio::test]
async fn a_program_that_computes_lets_the_others_of_its_worker_run() {
    let (broker, spinning, ran) = stage(Limits::default().slice(SLICE)).await;
    let other =
        basic_named(&broker, "other", 0, "expose(\"other\", lambda (x) (return x * 2))").await;
    for source in RUNAWAYS {
        let call = tokio::spawn(spinning.eval::<Value>(source));
        within(ran.recv()).await.unwrap();
        for n in 0..20 {
            assert_eq!(
                within(other.call::<i64>("other", (n,))).await,
                Ok(n * 2),
                "beside {source}"
            );
        }
        assert!(!call.is_finished(), "it should still run: {source}");
        call.abort();
        assert!(is_quiet_again(&spinning).await, "something is left of {source}");
        while ran.try_recv().is_ok() {}
    }
}

// Wherever a context is closed, its call is answered, and its memory is given back.
#[tokio::test]
async fn a_close_ends_every_runaway() {
    for source in RUNAWAYS {
        let (broker, context, ran) = stage(Limits::default()).await;
        let call = tokio::spawn(context.eval::<Value>(source));
        within(ran.recv()).await.unwrap();
        within(context.close()).await;
        assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Dead, "{source}");
        within(broker.shutdown(TIMEOUT)).await.unwrap();
    }
}

/// Programs that ask for more than there is.
const HUNGRY: &[&str] = &[
    "l = list()\nwhile true\n  push(l, 1)\nwend",
    "l = list()\nwhile true\n  push(l, list(1, 2, 3))\nwend",
    "l = list()\nwhile true\n  insert(l, 0, l)\nwend",
    "d = dict()\nwhile true\n  d(len(d)) = 1\nwend",
    "d = dict()\nwhile true\n  d(\"key \" + str(len(d))) = dict(1, 2)\nwend",
    "t = \"x\"\nwhile true\n  t = t + t\nwend",
    "t = \"x\"\nl = list()\nwhile true\n  t = t + \"x\"\n  push(l, t)\nwend",
    "l = 0\nwhile true\n  l = list(l)\nwend",
    "d = 0\nwhile true\n  d = dict(\"next\", d)\nwend",
    "class c\n  var next_one = 0\nendclass\nl = list()\nwhile true\n  push(l, new(c))\nwend",
    "l = list()\nwhile true\n  push(l, lambda () (return l))\nwend",
    "l = list()\nwhile true\n  push(l, id(lambda () (return l)))\nwend",
    "dim a(1000000000)",
    "n = 9223372036854775807\ndim a(n)",
    "n = 4611686018427387904\ndim a(n, n)",
    "dim a$(1000000000)",
    "l = list(1 to 9223372036854775807)\npush(l, 1)",
    "l = list(-9223372036854775807 to 9223372036854775807)\npush(l, 1)",
    "l = list(1 to 100000000)\nl(5) = 1",
    "l = list(1 to 100000)\nm = list()\nwhile true\n  push(m, clone(l))\nwend",
    "l = list(1 to 100000)\nm = list()\nwhile true\n  push(m, to_array(l))\nwend",
    "l = list(1)\nwhile true\n  push(l, iterator(l))\nwend",
    "def work()\n  work()\nenddef\nwork()",
    "def work(n)\n  return 1 + work(n + 1)\nenddef\nx = work(0)",
    "f = lambda (n) (return f(n + 1))\nx = f(0)",
    "def work()\n  return call more()\nenddef\ndef more()\n  return work()\nenddef\nx = work()",
    "def work(...)\n  work(1, 2, 3, ...)\nenddef\nwork()",
    "class c\n  def m()\n    me.m()\n  enddef\nendclass\nc.m()",
    "class c\n  def to_string()\n    return str(me)\n  enddef\nendclass\nprint c;",
    "again:\ngosub again",
];

// What takes too much memory is an error, of the kind `memory` or of the dialect, and not the end
// of anything else.
#[tokio::test]
async fn what_asks_for_too_much_is_an_error_and_the_context_goes_on() {
    let limits = Limits::default().memory_bytes(4 * MIB).deadline(TIMEOUT);
    let broker = builder().limits(limits).build().unwrap();
    let context = basic(&broker, "expose(\"innocent\", lambda (x) (return later(x) + 1))").await;
    let mut wrong = Vec::new();
    for source in HUNGRY {
        let result = within(context.eval::<Value>(source)).await;
        let kind = result.as_ref().map_err(Error::kind);
        if !matches!(kind, Err(ErrorKind::Memory | ErrorKind::Raised | ErrorKind::Depth)) {
            wrong.push(format!("{source}\n    ended with {result:?}"));
        }
        // Nothing of one program is left to the next.
        let forget = "l = 0\nd = 0\nt = 0\nm = 0\nf = 0\ng = 0\nr = 0\na = 0\ngc()";
        let _ = within(context.eval::<Value>(forget)).await;
        let after = within(context.call::<i64>("innocent", (5,))).await;
        if after != Ok(6) {
            wrong.push(format!("{source}\n    afterwards {after:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// What nobody uses any more is given back, also what is in a circle.
#[tokio::test]
async fn garbage_is_given_back() {
    let garbage = [
        "l = list()\npush(l, l)",
        "d = dict()\nd(1) = d",
        "l = list()\nd = dict(1, l)\npush(l, d)",
        "l = list()\npush(l, lambda () (return l))",
        "o = new(c)\no.other = o",
        "o = new(c)\np = new(c)\no.other = p\np.other = o",
        "l = list(1, 2)\nit = iterator(l)\npush(l, it)",
        "t = \"some text \" + str(i)",
        "l = 0\nfor j = 1 to 100\n  l = list(l)\nnext",
        "dim a(10)",
        "r = try(lambda () (raise(\"x\", list(1, 2, 3))))",
        "x = later(list(1, 2, 3))",
    ];
    // Functions that came back are released between two slices, so thousands are held meanwhile.
    let functions = ["x = id(lambda () (return i))"];
    for (memory, sources) in [(2 * MIB, &garbage[..]), (16 * MIB, &functions)] {
        let limits = Limits::default().memory_bytes(memory).deadline(TIMEOUT);
        let broker = builder().limits(limits).build().unwrap();
        let context = basic(&broker, "class c\n  var other = 0\nendclass").await;
        for source in sources {
            let source = format!("for i = 1 to 20000\n{source}\nnext\nreturn 7");
            assert_eq!(eval::<i64>(&context, &source).await, 7, "{source}");
        }
    }
}

// Structures that contain themselves, or are nested a hundred thousand deep, are no trouble to
// anything that looks at them.
#[tokio::test]
async fn circles_and_depths_are_looked_at_without_hanging() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "").await;
    let circles = "l = list(1)\npush(l, l)\nd = dict(\"a\", l)\nd(\"d\") = d\npush(l, d)
        deep = list(0)\nfor i = 1 to 100000\n  deep = list(deep)\nnext
        other = list(0)\nfor i = 1 to 100000\n  other = list(other)\nnext";
    eval::<()>(&context, circles).await;
    for (source, expected) in [
        ("return len(l) + len(d)", "5"),
        ("return l = l", "1"),
        ("return l = list(1, l)", "0"),
        ("return d = d", "1"),
        ("return d <> clone(d)", "1"),
        ("return deep = other", "0"),
        ("return exists(l, l)", "1"),
        ("return index_of(l, d)", "2"),
        ("return exists(l, deep)", "0"),
        ("return exists(deep, other)", "0"),
        ("return len(clone(l))", "3"),
        ("return len(sort(clone(l)))", "3"),
        ("return len(to_array(l))", "3"),
        ("print l, d, deep;\nreturn 1", "1"),
        ("return type(l) is type(\"LIST\")", "0"),
        ("e = dict(l, 1, d, 2, deep, 3)\nreturn e(deep) + e(l)", "4"),
        ("for x in l\n  for y in l\n    n = n + 1\n  next\nnext\nreturn n", "9"),
        ("return str(l)", "raised"),
        ("return later(l)", "unrepresentable"),
        ("return later(d)", "unrepresentable"),
        ("return l", "unrepresentable"),
        ("return lambda () (return l)", "Function"),
        ("return later(deep)", "range"),
        ("return deep", "range"),
        ("expose(\"circle\", l)\nreturn 1", "unrepresentable"),
        ("raise(\"x\", l)", "unrepresentable"),
        ("f = lambda () (return l)\nreturn apply(f)", "unrepresentable"),
        ("deep = 0\nother = 0\nl = 0\nd = 0\ngc()\nreturn 1", "1"),
    ] {
        let result = within(context.eval::<Value>(source)).await;
        let shown = match &result {
            Ok(Value::Function(_)) => "Function".to_string(),
            Ok(Value::Bool(truth)) => i64::from(*truth).to_string(),
            Ok(value) => value.as_int().map_or(format!("{value:?}"), |int| int.to_string()),
            Err(error) => error.kind().to_string(),
        };
        assert_eq!(shown, expected, "{source}: {result:?}");
    }
}

/// `text`, `count` times, then `middle`, then `end` as often.
fn nest(text: &str, middle: &str, end: &str, count: usize) -> String {
    format!("{}{middle}{}", text.repeat(count), end.repeat(count))
}

// Texts that are nested a hundred thousand deep, have lines of a megabyte, or end in the middle of
// whatever they began: each is an error, or runs, soon.
#[tokio::test]
async fn texts_that_are_written_to_hurt_are_read_like_any_other() {
    const DEEP: usize = 200_000;
    let limits = Limits::default().memory_bytes(256 * MIB).deadline(TIMEOUT);
    let broker = builder().limits(limits).build().unwrap();
    let context = basic(&broker, "").await;
    let deep = [
        nest("x = (", "1", ")", DEEP),
        format!("x = {}", nest("(", "1", ")", DEEP)),
        format!("x = {}", "(".repeat(DEEP)),
        format!("x = 1{}", ")".repeat(DEEP)),
        format!("x = {}1", "-".repeat(DEEP)),
        format!("x = {}1", "not ".repeat(DEEP)),
        format!("x = {}", nest("abs(", "1", ")", DEEP)),
        format!("x = {}", nest("list(", "1", ")", DEEP)),
        format!("x = {}", nest("f(", "1", ")", DEEP)),
        format!("x = {}", nest("lambda () (return ", "1", ")", DEEP)),
        nest("if 1 then\n", "x = 1\n", "endif\n", DEEP),
        nest("if 1 then ", "x = 1", "", DEEP),
        nest("while 1\n", "exit\n", "wend\n", DEEP),
        nest("for i = 1 to 2\n", "exit\n", "next\n", DEEP),
        nest("do\n", "exit\n", "until 1\n", DEEP),
        nest("def f()\n", "", "enddef\n", DEEP),
        nest("class c\n", "", "endclass\n", DEEP),
        format!("x = 1{}", " + (1".repeat(DEEP)),
        format!("x = 1{}", " ^ 1 * 1 mod 1 + 1 = 1 and 1".repeat(DEEP / 8)),
        format!("x = 1{}", " + 1".repeat(DEEP)),
        format!("x = \"a\"{}", " + \"a\"".repeat(DEEP)),
        format!("x = list(1{})", ", 1".repeat(DEEP)),
        format!("f(1{})", ", 1".repeat(DEEP)),
        format!("def g(a{})\nenddef", (0..DEEP).map(|n| format!(", a{n}")).collect::<String>()),
        format!("x{} = 1", "(1)".repeat(DEEP)),
        format!("x = y{}", ".y".repeat(DEEP)),
        format!("print {};", "1,".repeat(DEEP)),
        "x = 1:".repeat(DEEP),
        "'[".repeat(DEEP),
        "elseif 1 then\n".repeat(DEEP),
        format!("if 0 then\n{}endif", "elseif 0 then\n".repeat(DEEP)),
        (0..20_000).map(|n| format!("v{n} = {n}\n")).collect(),
        (0..20_000).map(|n| format!("l{n}:\n")).collect(),
        (0..5_000).map(|n| format!("def f{n}()\nenddef\n")).collect(),
        format!("x = {}", "9".repeat(MIB)),
        format!("x = 0x{}", "f".repeat(MIB)),
        format!("x = 1e{}", "9".repeat(MIB)),
        format!("{} = 1", "x".repeat(MIB)),
        format!("x = \"{}\"", "x".repeat(MIB)),
        format!("x = \"{}\"", "\n".repeat(MIB)),
        format!("' {}", "x".repeat(MIB)),
        " ".repeat(MIB),
        "\n".repeat(MIB),
        "\r".repeat(MIB),
        ":".repeat(MIB),
        ";".repeat(MIB),
        ".".repeat(MIB),
        ",".repeat(MIB),
        "\"".repeat(MIB + 1),
    ];
    for source in deep {
        let start = source.chars().take(30).collect::<String>();
        let begin = Instant::now();
        let result = within(context.eval::<Value>(&source)).await;
        if let Err(error) = result {
            let kind = error.kind();
            let is_expected = matches!(
                kind,
                ErrorKind::Load | ErrorKind::Raised | ErrorKind::NotFound | ErrorKind::Memory
            );
            assert!(is_expected, "{error:?} in {start}");
        }
        println!("{:>8.0?} {start}", begin.elapsed());
        assert_eq!(eval::<i64>(&context, "return 7").await, 7, "after {start}");
    }
}

// Every place where a text may end too early.
#[tokio::test]
async fn a_text_may_end_anywhere() {
    let broker = builder().limits(Limits::default().deadline(DEADLINE)).build().unwrap();
    let context = basic(&broker, "").await;
    let source = "import \"@x\"\ndim a(2, 3), b$(1)\n'[ block\n']\nclass c(d)\n  var x = 1\n  def m(a, ...)\n    \
        return me\n  enddef\nendclass\ndef f(a, b)\n  if a then return b else return a\n  if b then\n    exit\n  \
        elseif a then\n    end\n  else\n    x = 1\n  endif\nenddef\nfor i = 1 to 10 step 2\n  print i, \"t\";\nnext i\n\
        for k in list(1 to 3)\nnext\nwhile not i\nwend\ndo\nuntil i\ngo: gosub go: goto go\n\
        f = lambda (x, y) (x = y: return x)\nl(1) = -2.5e-3 ^ 0x1f mod 3\nx = call f(1, call(f)) is type(\"LIST\")\n\
        input \"?\", z\nr = try(f, 1)\no.x = new(c)\n";
    for end in 0..=source.len() {
        let text = &source[..end];
        if let Err(error) = within(context.eval::<Value>(text)).await {
            let is_expected = matches!(
                error.kind(),
                ErrorKind::Load | ErrorKind::Raised | ErrorKind::NotFound | ErrorKind::Timeout
            );
            assert!(is_expected, "{error:?} after {text}");
        }
    }
    let patient = Limits::default().deadline(TIMEOUT);
    let context = broker.open("basic").limits(patient).await.unwrap();
    assert_eq!(eval::<i64>(&context, "return 7").await, 7);
}

// GOTO out of loops, from loop to loop and out of branches leaves nothing behind.
#[tokio::test]
async fn goto_out_of_loops_leaves_nothing_behind() {
    let limits = Limits::default().memory_bytes(MIB).deadline(TIMEOUT);
    let broker = builder().limits(limits).build().unwrap();
    let context = basic(&broker, "").await;
    for (source, expected) in [
        (
            "n = 0\nagain:\nn = n + 1\nfor i = 1 to 3\n  if n < 50000 then goto again\nnext\nreturn n",
            50_000,
        ),
        (
            "n = 0\nagain:\nn = n + 1\nwhile true\n  if n < 50000 then goto again\n  exit\nwend\nreturn n",
            50_000,
        ),
        (
            "n = 0\nagain:\nn = n + 1\ndo\n  if n < 50000 then goto again\nuntil true\nreturn n",
            50_000,
        ),
        (
            "n = 0\nagain:\nn = n + 1\nfor x in list(1, 2)\n  if n < 50000 then goto again\nnext\nreturn n",
            50_000,
        ),
        (
            "n = 0\nagain:\nn = n + 1\nif n < 50000 then\n  if true then\n    goto again\n  endif\nendif\nreturn n",
            50_000,
        ),
        (
            "n = 0\nfor i = 1 to 10\n  for j = 1 to 10\n    n = n + 1\n    if j = 3 then goto after\n  next\n  after:\nnext\nreturn n",
            30,
        ),
        (
            "n = 0\nfor i = 1 to 50000\n  gosub count\nnext\nreturn n\ncount:\nn = n + 1\nreturn",
            50_000,
        ),
    ] {
        assert_eq!(eval::<i64>(&context, source).await, expected, "{source}");
    }
}

// Numbers at the edges, as arguments of everything that counts.
#[tokio::test]
async fn extreme_numbers_are_errors_or_results() {
    let limits = Limits::default().memory_bytes(16 * MIB).deadline(TIMEOUT);
    let broker = builder().limits(limits).build().unwrap();
    let context = basic(&broker, "").await;
    let numbers = [
        "9223372036854775807",
        "(-9223372036854775807 - 1)",
        "1e308",
        "-1e308",
        "(1 / 0)",
        "(-(1 / 0))",
        "(0 / 0)",
        "4294967296",
        "-1",
        "0",
        "0.5",
        "2147483648",
        "val(\"-0.0\")",
        "nil",
        "\"\"",
        "list()",
    ];
    for number in numbers {
        for call in [
            "chr(N)",
            "left(\"abc\", N)",
            "right(\"abc\", N)",
            "mid(\"abc\", N, 1)",
            "mid(\"abc\", 1, N)",
            "abs(N)",
            "sgn(N)",
            "sqr(N)",
            "floor(N)",
            "ceil(N)",
            "fix(N)",
            "round(N)",
            "exp(N)",
            "log(N)",
            "sin(N)",
            "asin(N)",
            "rnd(N)",
            "rnd(N, 5)",
            "rnd(-5, N)",
            "rnd(N, N)",
            "srnd(N)",
            "-N",
            "not N",
            "N + N",
            "N - N",
            "N * N",
            "N / N",
            "N ^ N",
            "N mod N",
            "N mod -1",
            "N / -1",
            "5 mod N",
            "N + 1",
            "N < N",
            "N = N",
            "N is type(\"LIST\")",
            "str(N)",
            "list(1 to 3)(N)",
            "get(list(1), N)",
            "set(list(1), N, 1)",
            "insert(list(1), N, 1)",
            "remove(list(1), N)",
            "get(dict(1, 2), N)",
            "dict(N, 1)",
            "exists(list(N), N)",
            "index_of(list(N), N)",
            "sort(list(N, 1, N))",
            "to_array(list(N))",
            "list(N to 5)",
            "list(5 to N)",
            "list(N to N)",
            "raise(N)",
            "asc(N)",
            "val(N)",
            "len(N)",
            "type(N)",
            "new(N)",
            "get(N, 1)",
            "push(N, 1)",
            "pop(N)",
            "back(N)",
            "clear(N)",
            "clone(N)",
            "iterator(N)",
            "move_next(N)",
            "now(N)",
            "try(N)",
            "finally(N, N)",
            "expose(N, N)",
            "reflect(N)",
        ] {
            let source = format!("x = {}\nreturn 7", call.replace('N', number));
            let result = within(context.eval::<Value>(&source)).await;
            if let Err(error) = result {
                let kind = error.kind();
                let is_expected = !matches!(
                    kind,
                    ErrorKind::Panicked
                        | ErrorKind::Dead
                        | ErrorKind::Timeout
                        | ErrorKind::Cancelled
                );
                assert!(is_expected, "{error:?} in {source}");
            }
        }
        for lines in [
            "for i = N to N\n  exit\nnext",
            "for i = N to 5\n  exit\nnext",
            "for i = 1 to N\n  exit\nnext",
            "for i = 1 to 5 step N\n  exit\nnext",
            "for i = 9223372036854775806 to 9223372036854775807\nnext",
            "n = N\ndim b(n)",
            "n = N\ndim b(2, n)",
            "dim b(2)\nb(N) = 1",
            "l = list(1)\nl(N) = 1",
            "d = dict()\nd(N) = 1\nx = d(N)",
        ] {
            let source = format!("{}\nreturn 7", lines.replace('N', number));
            let result = within(context.eval::<Value>(&source)).await;
            let is_fine = result.as_ref().is_ok_and(|value| value.as_int() == Some(7));
            let is_error = result.as_ref().is_err_and(|error| {
                matches!(error.kind(), ErrorKind::Raised | ErrorKind::Memory | ErrorKind::Load)
            });
            assert!(is_fine || is_error, "{result:?} in {source}");
        }
    }
}
