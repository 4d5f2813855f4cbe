//! Calls in BASIC, in and out: waits at every point of the language, names, functions as values,
//! errors, cleaning up.

#![cfg(all(feature = "basic", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod basic_support;
mod languages;

use basic_support::*;
use calog::{Context, ErrorKind, Function, Limits, Value};
use futures::future::join_all;
use languages::exact;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Points at which a script may wait: what stands at the top level, the body of a routine, and its
/// result.
const POINTS: &[(&str, &str, &str)] = &[
    // Expressions.
    ("", "return later(1) + later(2) * later(3) ^ later(2)", "19"),
    ("", "return -later(1) + (later(7) mod later(4))", "2"),
    ("", "return later(1) < later(2) and later(0) or not later(0)", "1"),
    ("", "return list(later(1), later(2), later(list(3)))", "[1, 2, [3]]"),
    ("", "return len(dict(later(\"a\"), later(1), later(\"b\"), later(2)))", "2"),
    ("", "return later(later(later(5)))", "5"),
    ("", "return left(later(\"abc\"), later(2)) + mid(\"xyz\", later(1), later(1))", "\"aby\""),
    ("", "return later(1) is type(\"INTEGER\")", "1"),
    ("", "return str(later(1)) + str(val(later(\"2\")))", "\"12\""),
    ("", "l = list(1 to later(3))\nreturn later(l)", "[1, 2, 3]"),
    // Assignments.
    ("", "x = later(1)\nlet y = later(2)\nreturn x + y", "3"),
    ("", "l = list(1, 2)\nl(later(0)) = later(5)\nreturn l(later(0)) + l(later(1))", "7"),
    ("", "d = dict()\nd(later(\"k\")) = later(5)\nreturn d(later(\"k\"))", "5"),
    ("", "dim a(2, 2)\na(later(1), later(0)) = later(5)\nreturn a(later(1), later(0)) + 0", "5"),
    ("", "x = 1\nx = x + later(x) + x\nreturn x", "3"),
    // Control.
    ("", "if later(0) then\n  return 1\nelseif later(1) then\n  return later(2)\nendif", "2"),
    ("", "if later(1) then return later(3) else return 4", "3"),
    (
        "",
        "n = 0\nfor i = later(1) to later(5) step later(2)\n  n = n + later(i)\nnext\nreturn n",
        "9",
    ),
    ("", "n = 0\nfor x in later(list(1, 2, 3))\n  n = n + later(x)\nnext\nreturn n", "6"),
    ("", "t = \"\"\nfor k in later(dict(\"a\", 1))\n  t = t + later(k)\nnext\nreturn t", "\"a\""),
    ("", "n = 0\nwhile later(n) < later(3)\n  n = n + later(1)\nwend\nreturn n", "3"),
    (
        "",
        "n = 0\ndo\n  n = n + later(1)\n  if later(n) = 2 then exit\nuntil later(n) = 5\nreturn n",
        "2",
    ),
    ("", "n = 0\nfor i = 1 to 4\n  if later(i) = 2 then next\n  n = n + i\nnext\nreturn n", "8"),
    (
        "",
        "for i = 1 to 3\n  for j in list(1, 2)\n    while true\n      return later(i + j)\n    wend\n  next\nnext",
        "2",
    ),
    // Routines and lambdas.
    ("def f(a, b)\n  return later(a) - later(b)\nenddef", "return f(later(5), later(3))", "2"),
    (
        "def f(n)\n  if n = 0 then return later(0)\n  return 1 + f(later(n - 1))\nenddef",
        "return f(later(20))",
        "20",
    ),
    (
        "def f(...)\n  n = 0\n  while len(...) > 0\n    x = ...\n    n = n + later(x)\n  wend\n  return n\nenddef",
        "return f(1, later(2), 3)",
        "6",
    ),
    ("def f(x)\n  return x\nenddef", "return call f(later(1))", "1"),
    ("", "f = lambda (x) (return later(x))\nreturn f(later(4))", "4"),
    ("", "n = 1\nf = lambda (x) (\n  n = n + later(x)\n  return n\n)\nf(1)\nreturn f(2) + n", "8"),
    (
        "",
        "f = lambda (g) (return lambda (x) (return g(later(x))))\nh = f(lambda (x) (return later(x) * 2))\nreturn h(4)",
        "8",
    ),
    ("", "return apply(lambda (x) (return later(x) + 1), later(1))", "2"),
    // Classes, and what the library calls.
    (
        "class c\n  var x = later(3)\n  def m(n)\n    x = x + later(n)\n    return me.x\n  enddef\nendclass",
        "o = new(c)\nreturn o.m(later(2))",
        "5",
    ),
    (
        "class c\n  def to_string()\n    return later(\"shown\")\n  enddef\nendclass",
        "return str(c)",
        "\"shown\"",
    ),
    (
        "class c\n  var n = 0\n  def _iterator()\n    n = later(0)\n    return me\n  enddef\n  def _move_next()\n    \
         n = n + 1\n    return later(n) < 4\n  enddef\n  def _get()\n    return later(n)\n  enddef\nendclass",
        "s = 0\nfor x in new(c)\n  s = s + x\nnext\nreturn s",
        "6",
    ),
    (
        "class key\n  var x = 0\n  def hash()\n    return later(1)\n  enddef\n  def compare(o)\n    return later(x) - \
         later(o.x)\n  enddef\nendclass",
        "a = new(key)\nb = new(key)\nb.x = 2\nd = dict(a, \"a\", b, \"b\")\nreturn d(a) + d(b) + str(exists(d, b))",
        "\"ab1\"",
    ),
    (
        "class c\n  def _len()\n    return later(7)\n  enddef\n  def _get(k)\n    return later(k)\n  enddef\nendclass",
        "return len(c) + get(c, 3)",
        "10",
    ),
    (
        "class c\n  var f = lambda (x) (return later(x))\nendclass",
        "o = new(c)\nreturn o.f(later(6))",
        "6",
    ),
    // What catches and cleans up.
    ("", "r = try(lambda () (return later(1)))\nreturn later(r(\"value\"))", "1"),
    (
        "",
        "r = try(lambda () (raise(later(\"no\"), later(list(1)))))\nreturn list(later(r(\"message\")), r(\"payload\"))",
        "[\"no\", [1]]",
    ),
    (
        "",
        "n = 0\nx = finally(lambda () (return later(5)), lambda () (n = later(1)))\nreturn x + n",
        "6",
    ),
    (
        "",
        "t = \"\"\nr = try(lambda () (finally(lambda () (raise(later(\"a\"))), lambda () (t = later(\"b\")))))\nreturn t + r(\"message\")",
        "\"ba\"",
    ),
    ("", "r = try(fail_later, later(\"busy\"), \"x\")\nreturn later(r(\"kind\"))", "\"busy\""),
];

/// The source that exposes all points, as `point_0` and so on.
fn points() -> String {
    let mut source = String::new();
    for (n, (before, body, _)) in POINTS.iter().enumerate() {
        // Every point has routines and classes of its own.
        let rename = |text: &str| {
            let text = text.replace("class c\n", &format!("class c{n}\n"));
            let text = text.replace("new(c)", &format!("new(c{n})"));
            let text =
                text.replace("(c)", &format!("(c{n})")).replace("get(c,", &format!("get(c{n},"));
            let text = text.replace("def f(", &format!("def f{n}("));
            if before.contains("def f(") { text.replace(" f(", &format!(" f{n}(")) } else { text }
        };
        let (before, body) = (rename(before), rename(body));
        source.push_str(&format!("{before}\ndef point_{n}()\n{body}\nenddef\nexpose(point_{n})\n"));
    }
    source
}

// C-118, C-117: a wait stands wherever an expression stands.
#[tokio::test]
async fn a_script_may_wait_at_every_point_of_the_language() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, &points()).await;
    let mut wrong = Vec::new();
    for (n, (before, body, expected)) in POINTS.iter().enumerate() {
        let got = within(context.call::<Value>(&format!("point_{n}"), ())).await;
        if !got.as_ref().is_ok_and(|value| exact(value) == *expected) {
            wrong.push(format!("{before}\n{body}\n    gave {got:?} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// C-117, C-113: all points at once, several times each, in one interpreter, called by the host and
// by another script.
#[tokio::test]
async fn waits_at_all_points_may_overlap_in_one_context() {
    let broker = builder().workers(2).build().unwrap();
    let context = basic(&broker, &points()).await;
    let relay = "expose('relay', function(name) return call(name) end)";
    let relay = named(&broker, "relay", 1, relay).await;
    // These keep a state in a global object, which they would share.
    let is_alone =
        |n: &usize| POINTS[*n].0.contains("_iterator") || POINTS[*n].0.contains("x = later(3)");
    let chosen: Vec<_> = (0..POINTS.len()).filter(|n| !is_alone(n)).collect();
    let calls =
        (0..5).flat_map(|round| chosen.iter().map(move |n| (round, *n))).map(|(round, n)| {
            let (context, relay) = (context.clone(), relay.clone());
            async move {
                let name = format!("point_{n}");
                let got = if round % 2 == 0 {
                    within(context.call::<Value>(&name, ())).await
                } else {
                    within(relay.call::<Value>("relay", (name,))).await
                };
                (n, got)
            }
        });
    for (n, got) in join_all(calls).await {
        assert_eq!(exact(&got.unwrap()), POINTS[n].2, "{}", POINTS[n].1);
    }
}

// C-084: names are found in any case; a name of the script's own goes first; a name in quotes keeps
// its case.
#[tokio::test]
async fn names_are_found_in_any_case() {
    let broker = builder()
        .native("host.Add_One", |n: i64| n + 1)
        .data("Motto", "the host's")
        .build()
        .unwrap();
    named(
        &broker,
        "lua",
        0,
        "expose('Shop.Price', function(n) return n * 10 end) expose('Shop.open', true)",
    )
    .await;
    let context = basic(&broker, "").await;
    for (source, expected) in [
        ("return host.add_one(1)", "2"),
        ("RETURN HOST.ADD_ONE(1)", "2"),
        ("return MOTTO", "\"the host\\'s\""),
        ("return shop.price(2) + SHOP.PRICE(3)", "50"),
        ("f = call(shop.price)\nreturn f(4)", "40"),
        ("f = call(\"Shop.Price\")\nreturn f(4)", "40"),
        ("n = \"Shop\"\nf = call(n + \".Price\")\nreturn f(5)", "50"),
        ("f = call(\"shop.price\")\nreturn f(4)", "not_found"),
        ("return apply(call(shop.price), 6)", "60"),
        ("import \"@shop\"\nreturn price(7)", "70"),
        ("motto = 5\nreturn motto", "5"),
        ("def later(x)\n  return \"own\"\nenddef\nreturn later(1)", "\"own\""),
        ("if shop.open then return 1 else return 0", "1"),
        ("return nobody(1)", "raised"),
        ("return type(host.nothing) is type(\"TYPE\")", "1"),
    ] {
        let context = basic(&broker, "").await;
        let result = within(context.eval::<Value>(source)).await;
        let shown = result.as_ref().map_or_else(|error| error.kind().to_string(), exact);
        assert_eq!(shown, expected, "{source}: {result:?}");
        within(context.close()).await;
    }
    within(context.close()).await;
}

// C-056, C-080: routines and lambdas go out, are called from elsewhere, and come home as themselves.
#[tokio::test]
async fn functions_cross_by_reference_and_are_released() {
    let broker = builder().build().unwrap();
    let source = "kept = nil
        def add(a, b)
          return a + b
        enddef
        expose(\"give\", lambda () (return call(add)))
        expose(\"is_add\", lambda (f) (return f = call(add)))
        expose(\"counter\", lambda (n) (return lambda (step_by) (n = n + step_by: return n)))
        expose(\"keep\", lambda (f) (kept = f))
        expose(\"use\", lambda (x) (return kept(x)))
        expose(\"forget\", lambda () (kept = nil: gc()))
        expose(\"pass\", lambda (n) (
          for i = 1 to n
            x = id(lambda () (return i))
          next
        ))";
    let context = basic(&broker, source).await;
    let handles = within(context.usage()).await.unwrap().handles;

    let add: Function = within(context.call("give", ())).await.unwrap();
    assert_eq!(within(add.call::<i64>((2, 3))).await, Ok(5));
    assert_eq!(within(context.call::<bool>("is_add", (add.clone(),))).await, Ok(true));
    let one: Function = within(context.call("counter", (0,))).await.unwrap();
    let two: Function = within(context.call("counter", (100,))).await.unwrap();
    assert_eq!(within(one.call::<i64>((1,))).await, Ok(1));
    assert_eq!(within(two.call::<i64>((1,))).await, Ok(101));
    assert_eq!(within(one.call::<i64>((5,))).await, Ok(6));
    within(context.call::<()>("keep", (one.clone(),))).await.unwrap();
    assert_eq!(within(context.call::<i64>("use", (1,))).await, Ok(7));

    drop((add, one, two));
    within(context.call::<()>("forget", ())).await.unwrap();
    // Each of these is a new function, which nobody holds any more.
    within(context.call::<()>("pass", (20_000,))).await.unwrap();
    within(context.call::<()>("forget", ())).await.unwrap();
    let settled = async {
        while context.usage().await.unwrap().handles != handles {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LATE, settled).await.expect("functions are still held");
}

/// Kind and message of what `source` fails with.
async fn failure(context: &Context, source: &str) -> String {
    let error = within(context.eval::<Value>(source)).await.unwrap_err();
    format!("{}: {}", error.kind(), error.message())
}

// C-128: every error has the kind and message that it has elsewhere, and errors of the dialect their
// code.
#[tokio::test]
async fn errors_have_kind_message_payload_and_trace() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "").await;
    for (source, begin) in [
        ("x = 1 + \"a\"", "raised: Code 18: String expected"),
        ("x = list(1)\nreturn x(5)", "raised: Code 21: Cannot find with the specific index"),
        ("fail(\"busy\", \"no room\")", "busy: no room"),
        ("fail_later(\"denied\", \"not you\")", "denied: not you"),
        ("raise(\"own\")", "raised: own"),
        ("raise()", "raised: Code 68: Extended abort"),
        ("raise(3)", "raised: Code 68: Extended abort"),
        ("x = try(5)\nraise(x)", "type: Code 54: Routine expected"),
        ("f = call(\"nobody\")\nf()", "not_found: nothing is called `nobody`"),
        ("x = 5 % 2", "load: "),
        ("import \"absent.bas\"", "load: "),
        ("boom()", "panicked: boom"),
        ("expose(\"later\", 1)", "denied: the name `later` belongs to the host"),
    ] {
        let got = failure(&context, source).await;
        assert!(got.starts_with(begin), "{source}: {got}");
    }

    let source = "x = 1\ndef inner(n)\n  fail(\"busy\", \"no room\")\nenddef\n\ndef outer()\n  y = 2\n  return inner(5)\nenddef\nouter()";
    let error = within(context.eval_as::<Value>("orders.bas", source)).await.unwrap_err();
    let trace: Vec<_> = error.trace().iter().map(ToString::to_string).collect();
    assert_eq!(
        trace,
        [
            "basic orders.bas:10",
            "basic orders.bas:8 in outer",
            "basic orders.bas:3 in inner",
            "native fail"
        ]
    );

    let payload: Value =
        eval(&context, "r = try(lambda () (return 1 + \"a\"))\nreturn r(\"payload\")").await;
    assert_eq!(
        payload,
        Value::map([("code", Value::from(18)), ("text", "String expected".into())])
    );
}

// What TRY gives is raised again as it was, with its trace.
#[tokio::test]
async fn what_was_caught_is_raised_again_as_it_was() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "").await;
    let source = "r = try(lambda () (raise(\"first\", dict(\"code\", 7))))\nraise(r)";
    let error = within(context.eval::<Value>(source)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "first"));
    assert_eq!(*error.payload(), Value::map([("code", 7)]));
    let error = within(context.eval::<Value>("r = try(fail, \"io\", \"no disk\")\nraise(r)")).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "no disk"));
}

// FINALLY cleans up from the inside out, and what fails in it takes the place of what failed before.
#[tokio::test]
async fn finally_runs_however_it_ends() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = log.clone();
    let write = move |line: String| lines.lock().unwrap().push(line);
    let broker = builder().native("write", write).build().unwrap();
    let context = basic(&broker, "").await;
    for (source, expected, result) in [
        ("return finally(lambda () (return 1), lambda () (write(\"c\")))", "c", "1"),
        ("finally(lambda () (raise(\"x\")), lambda () (write(\"c\")))", "c", "raised: x"),
        ("finally(lambda () (raise(\"x\")), lambda () (raise(\"y\")))", "", "raised: y"),
        (
            "finally(lambda () (finally(lambda () (write(\"f\")), lambda () (write(\"a\")))), lambda () (write(\"b\")))",
            "f a b",
            "nil",
        ),
        (
            "finally(lambda () (finally(lambda () (raise(\"x\")), lambda () (write(\"a\")))), lambda () (write(\"b\")))",
            "a b",
            "raised: x",
        ),
        (
            "def f(x)\n  return x * 2\nenddef\nreturn finally(f, lambda () (write(\"c\")), 21)",
            "c",
            "42",
        ),
        (
            "def f()\n  for i = 1 to 3\n    r = finally(lambda () (return i), lambda () (write(str(i))))\n    if r = 2 then return r\n  next\nenddef\nreturn f()",
            "1 2",
            "2",
        ),
    ] {
        let got = within(context.eval::<Value>(source)).await;
        let shown = match &got {
            Ok(value) => exact(value),
            Err(error) => format!("{}: {}", error.kind(), error.message()),
        };
        assert_eq!(shown, result, "{source}");
        assert_eq!(std::mem::take(&mut *log.lock().unwrap()).join(" "), expected, "{source}");
    }
}

// C-210: a call that is given up, or late, or whose context closes, cleans up and goes no further.
#[tokio::test]
async fn a_call_that_is_given_up_cleans_up() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = log.clone();
    let write = move |line: String| lines.lock().unwrap().push(line);
    let gate = Gate::default();
    let pass = gate.clone();
    let broker = builder()
        .native("write", write)
        .native_async("wait_here", move || pass.pass())
        .build()
        .unwrap();
    let source = "def stuck()
          r = try(lambda () (
            finally(lambda () (
              finally(call(wait_here), lambda () (write(\"inner\")))
            ), lambda () (write(\"outer\")))
          ))
          write(\"never\")
        enddef
        expose(stuck)
        expose(\"innocent\", lambda () (return 42))";
    let context = basic(&broker, source).await;
    let expected = ["inner", "outer"];
    let take = || std::mem::take(&mut *log.lock().unwrap());

    let call = tokio::spawn(context.call::<Value>("stuck", ()));
    gate.arrived(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(is_quiet_again(&context).await);
    assert_eq!(take(), expected, "given up");

    let late = context.call::<Value>("stuck", ()).deadline(Duration::from_millis(30));
    assert_eq!(kind(within(late).await), ErrorKind::Timeout);
    gate.arrived(1).await;
    assert!(is_quiet_again(&context).await);
    assert_eq!(take(), expected, "late");
    assert_eq!(within(context.call::<i64>("innocent", ())).await, Ok(42));

    let call = tokio::spawn(context.call::<Value>("stuck", ()));
    gate.arrived(1).await;
    within(context.close()).await;
    assert_eq!(kind(call.await.unwrap()), ErrorKind::Dead);
    assert_eq!(take(), expected, "closed");
}

// Calls from outside: too many arguments are an error of the dialect, missing ones have their
// defaults, and 0 and 1 are truth for whoever asks for it.
#[tokio::test]
async fn calls_from_outside_follow_the_rules_of_routines() {
    let broker = builder().limits(Limits::default().deadline(TIMEOUT)).build().unwrap();
    let source = "def two(a, b$)
          return list(a, b$)
        enddef
        expose(two)
        def rest(a, ...)
          return list(a, len(...))
        enddef
        expose(rest)
        def is_large(n)
          return n > 100
        enddef
        expose(is_large)
        def nothing()
        enddef
        expose(nothing)";
    let context = basic(&broker, source).await;
    let error = within(context.call::<Value>("two", (1, "x", 3))).await.unwrap_err();
    assert!(error.message().starts_with("Code 34"), "{error:?}");
    for (name, args, expected) in [
        ("two", vec![1], "[1, \"\"]"),
        ("two", vec![], "[0, \"\"]"),
        ("rest", vec![1, 2, 3], "[1, 2]"),
        ("nothing", vec![], "nil"),
    ] {
        let args: Vec<Value> = args.into_iter().map(Value::from).collect();
        let value = within(context.call::<Value>(name, args)).await.unwrap();
        assert_eq!(exact(&value), expected, "{name}");
    }
    assert_eq!(within(context.call::<bool>("is_large", (101,))).await, Ok(true));
    assert_eq!(within(context.call::<bool>("is_large", (99,))).await, Ok(false));
}
