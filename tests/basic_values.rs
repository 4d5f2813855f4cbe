//! Values into BASIC and out of it, and names: what the tables of fidelity do not show.

#![cfg(feature = "basic")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use calog::{
    Broker, Builder, Context, ErrorKind, Fidelity, Function, Key, Kind, Limits, Result, Value,
};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    future::{Future, IntoFuture},
    time::Duration,
};

/// How long a test may take.
const TIMEOUT: Duration = Duration::from_secs(60);

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future).await.expect("it hangs")
}

fn builder() -> Builder {
    Broker::builder().workers(1).output(|_, _| {})
}

/// A context that has run `source`.
async fn basic(broker: &Broker, source: &str) -> Context {
    let context = within(broker.open("basic").into_future()).await.unwrap();
    within(context.eval::<Value>(source)).await.unwrap();
    context
}

async fn eval(context: &Context, source: &str) -> Result<Value> {
    within(context.eval::<Value>(source)).await
}

#[track_caller]
fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("it should have failed").kind()
}

/// Lists in lists, `depth` deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::from(1), |inner, _| Value::list([inner]))
}

const POINT: &str = "
class base
  var x = 0
  def twice()
    return 2 * x
  enddef
endclass
class point(base)
  var name$ = \"origin\"
  var tags = list(1)
  def move(d)
    x = x + d
    return me
  enddef
endclass
p = new(point)
p.move(5)
";

// An instance is a map of its fields, in lower case, and of its methods, which stay its own.
#[tokio::test]
async fn an_instance_of_a_class_is_a_map_with_methods() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, POINT).await;
    let map: BTreeMap<String, Value> = within(context.eval("p")).await.unwrap();
    let names: Vec<_> = map.keys().map(String::as_str).collect();
    assert_eq!(names, ["move", "name$", "tags", "twice", "x"]);
    assert_eq!((&map["x"], &map["name$"]), (&5.into(), &"origin".into()));
    assert_eq!(map["tags"], Value::list([1]));
    let method = |name: &str| map[name].as_function().unwrap().clone();
    assert_eq!(within(method("twice").call::<i64>(())).await.unwrap(), 10);
    let moved: BTreeMap<String, Value> = within(method("move").call((1,))).await.unwrap();
    assert_eq!(moved["x"], 6.into());
    // It is the object itself that has moved.
    assert_eq!(within(context.eval::<i64>("p.x")).await.unwrap(), 6);
    // What has come out and was dropped again is held no more.
    drop((map, moved));
    let released = async {
        while within(context.usage()).await.unwrap().handles > 0 {
            tokio::task::yield_now().await;
        }
    };
    within(released).await;
    // A class itself is an object too, with the first values.
    let class: BTreeMap<String, Value> = within(context.eval("point")).await.unwrap();
    assert_eq!(class["x"], 0.into());
}

#[tokio::test]
async fn an_object_that_refers_to_itself_is_a_cycle() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, POINT).await;
    eval(&context, "x = push(p.tags, p)").await.unwrap();
    let error = eval(&context, "p").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrepresentable);
    assert_eq!(error.message(), "result.tags[1]: a cycle cannot leave its context");
    let lenient = within(context.eval::<Value>("p").fidelity(Fidelity::Lenient)).await.unwrap();
    let tags = lenient.as_aggregate().unwrap().get_str("tags").unwrap().clone();
    assert_eq!(tags, Value::list([Some(1), None]));
}

// What cannot leave is named by its place, counted as BASIC counts.
#[tokio::test]
async fn errors_name_the_place() {
    let broker = builder()
        .native("user", |_: BTreeMap<String, Vec<String>>| {})
        .native("two", |_: i64, _: Option<String>| {})
        .build()
        .unwrap();
    let context = basic(&broker, "kept = nil").await;
    for (source, kind, message) in [
        ("list(1, list(type(1)))", "unrepresentable", "result[1][0]: a TYPE cannot leave"),
        ("dict(\"a\", list(iterator(list())))", "unrepresentable", "result.a[0]: an iterator"),
        ("two(1, type(1))", "unrepresentable", "args[2]: a TYPE cannot leave"),
        ("dict(2, \"a\", 2.0, \"b\")", "unrepresentable", "result: a DICT has the key 2 twice"),
        ("dict(nil, 1)", "unrepresentable", "result: NIL cannot be a key outside"),
        ("expose(\"data\", list(type(1)))", "unrepresentable", "args[2][0]: a TYPE"),
        ("user(dict(\"name\", 5))", "type", "args[1].name: expected list, got int"),
        ("two(1.5)", "type", "args[1]: expected int, got real 1.5"),
        ("two()", "arity", "args[1]: missing"),
        ("two(1, \"a\", nil)", "arity", "expected 2 arguments, got 3"),
        ("two(1, chr(255))", "unrepresentable", "args[2]: "),
    ] {
        let error = eval(&context, source).await.unwrap_err();
        assert_eq!(error.kind().as_str(), kind, "{error} of {source}");
        assert!(error.message().starts_with(message), "{error} of {source}");
    }
    assert!(eval(&context, "two(3.0)").await.is_ok());
}

// C-053: the keys of a mix begin at 0, and a pair that has one of them is refused or replaces it.
#[tokio::test]
async fn a_mix_is_a_dict_with_keys_from_0() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "expose(\"same\", lambda (v) (return v))").await;
    let mut mix = calog::Aggregate::list(vec!["a".into(), "b".into()]);
    mix.insert("name", "mix");
    let back: Value = within(context.call("same", (mix.clone(),))).await.unwrap();
    let keys = [(Key::Int(0), "a"), (Key::Int(1), "b"), (Key::from("name"), "mix")];
    assert_eq!(back, Value::map(keys));
    mix.insert(1, "pair");
    let error = within(context.call::<Value>("same", (mix.clone(),))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrepresentable);
    assert_eq!(error.message(), "args[1]: a DICT would have the key 1 twice");
    let call = context.call::<Value>("same", (mix.clone(),)).fidelity(Fidelity::Lenient);
    let keys = [(Key::Int(0), "a"), (Key::Int(1), "pair"), (Key::from("name"), "mix")];
    assert_eq!(within(call).await.unwrap(), Value::map(keys));
    // A key past the list is none of it.
    mix.insert(2, "c");
    let (_, array, mut pairs) = mix.into_parts();
    pairs.shift_remove(&Key::Int(1));
    let mut mix = calog::Aggregate::list(array);
    pairs.into_iter().for_each(|(key, value)| drop(mix.insert(key, value)));
    let back: Value = within(context.call("same", (mix,))).await.unwrap();
    assert_eq!(back.as_aggregate().unwrap().kind(), Kind::Map);
    assert_eq!(back.as_aggregate().unwrap().len(), 4);
}

// C-055: an empty map stays a map, and an empty list a list.
#[tokio::test]
async fn empty_collections_keep_their_kind() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "expose(\"same\", lambda (v) (return v))").await;
    for wanted in [Kind::List, Kind::Map] {
        let empty = calog::Aggregate::with_kind(wanted);
        let back: Value = within(context.call("same", (empty,))).await.unwrap();
        assert_eq!(back.as_aggregate().unwrap().kind(), wanted);
    }
}

// C-008, C-082: TRUE and FALSE are 1 and 0, and a receiver that asks for a bool gets one.
#[tokio::test]
async fn truth_crosses_to_whoever_asks_for_it() {
    let broker = builder()
        .native("choose", |wanted: bool| if wanted { "yes" } else { "no" })
        .native("any", |all: Vec<bool>| all.contains(&true))
        .native("raw", |value: Value| value.type_name())
        .build()
        .unwrap();
    let context = basic(&broker, "expose(\"is_even\", lambda (n) (return n mod 2 = 0))").await;
    for (source, result) in [
        ("choose(true)", "yes"),
        ("choose(1 > 2)", "no"),
        ("raw(true)", "int"),
        ("str(any(list(false, true)))", "1"),
        ("str(any(list(false)))", "0"),
        ("str(type(any(list())))", "INTEGER"),
    ] {
        assert_eq!(eval(&context, source).await.unwrap(), result.into(), "{source}");
    }
    let error = eval(&context, "choose(2)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Type);
    assert_eq!(error.message(), "args[1]: expected bool, which is 0 or 1, got 2");
    assert!(within(context.call::<bool>("is_even", (4,))).await.unwrap());
    assert!(!within(context.call::<bool>("is_even", (5,))).await.unwrap());
}

// C-084: names have no case here; two that differ only in it are an error that tells both.
#[tokio::test]
async fn names_of_natives_have_no_case() {
    let broker = builder()
        .native("doubleIt", |n: i64| 2 * n)
        .native("wire.Connect", |host: String| host)
        .data("Config", Value::map([("port", 80)]))
        .build()
        .unwrap();
    let context = basic(&broker, "x = 1").await;
    for (source, result) in [
        ("doubleIt(4)", Value::from(8)),
        ("DOUBLEIT(4)", 8.into()),
        ("doubleit(4)", 8.into()),
        ("WIRE.CONNECT(\"here\")", "here".into()),
        ("wire.connect(\"here\")", "here".into()),
        ("CONFIG(\"port\")", 80.into()),
    ] {
        assert_eq!(eval(&context, source).await.unwrap(), result, "{source}");
    }
    let other = basic(&broker, "expose(\"DoubleIt\", lambda (n) (return 3 * n))").await;
    let error = eval(&context, "doubleit(4)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let message = "`doubleit` may be `DoubleIt` or `doubleIt`: two names that differ only in case";
    assert_eq!(error.message(), message);
    within(other.close()).await;
    assert_eq!(eval(&context, "doubleit(4)").await.unwrap(), 8.into());
}

// C-061: the broker's setting counts.
#[tokio::test]
async fn the_depth_cap_is_a_setting_of_the_broker() {
    for cap in [0, 1, 5] {
        let broker = builder().limits(Limits::default().value_depth(cap)).build().unwrap();
        let context = basic(&broker, "expose(\"same\", lambda (v) (return v))").await;
        let deepest: Value = within(context.call("same", (nested(cap),))).await.unwrap();
        assert_eq!(deepest, nested(cap));
        let deeper = within(context.call::<Value>("same", (nested(cap + 1),))).await;
        assert_eq!(kind(deeper), ErrorKind::Range);
    }
    // Each index of an ARRAY is a level.
    let broker = builder().limits(Limits::default().value_depth(2)).build().unwrap();
    let context = basic(&broker, "dim a(2, 2)\ndim b(2, 2, 2)").await;
    assert!(eval(&context, "a").await.is_ok());
    assert_eq!(kind(eval(&context, "b").await), ErrorKind::Range);
}

// C-061, C-040: a million deep, in both directions, without a crash.
#[tokio::test]
async fn a_value_a_million_deep_is_refused_without_a_crash() {
    const DEPTH: usize = 1_000_000;
    let broker = builder()
        .limits(Limits::default().value_depth(usize::MAX).memory_bytes(1 << 30))
        .native("deep", || nested(DEPTH))
        .build()
        .unwrap();
    let context = basic(&broker, "expose(\"same\", lambda (v) (return v))").await;
    let result = within(context.call::<Value>("same", (nested(DEPTH),))).await;
    assert_eq!(kind(result), ErrorKind::Range);
    assert_eq!(kind(eval(&context, "deep()").await), ErrorKind::Range);
    let source = "l = 1\nfor i = 1 to 100000\nl = list(l)\nnext";
    eval(&context, source).await.unwrap();
    assert_eq!(kind(eval(&context, "l").await), ErrorKind::Range);
    assert_eq!(eval(&context, "1 + 1").await.unwrap(), 2.into());
}

// `Limits::value_bytes`: how much may cross at once, in every direction.
#[tokio::test]
async fn values_that_are_too_large_are_refused() {
    const LIMIT: usize = 100_000;
    let broker = builder()
        .limits(Limits::default().value_bytes(LIMIT))
        .native("large", |n: usize| "x".repeat(n))
        .native("id", |value: Value| value)
        .build()
        .unwrap();
    let setup = "
s$ = \"\"
for i = 1 to 1000
  s$ = s$ + \"x\"
next
half$ = \"\"
for i = 1 to 51
  half$ = half$ + s$
next
";
    let context = basic(&broker, setup).await;
    for source in [
        "id(half$ + half$)",
        "half$ + half$",
        "list(half$, half$)",
        "dict(half$, half$)",
        "list(1 to 100000)",
        "large(200000)",
        "expose(\"data\", half$ + half$)",
    ] {
        assert_eq!(kind(eval(&context, source).await), ErrorKind::Range, "{source}");
    }
    assert_eq!(eval(&context, "len(id(half$))").await.unwrap(), 51_000.into());
    let list = vec![1; 2 * LIMIT];
    eval(&context, "expose(\"sink\", lambda (v) (return 1))").await.unwrap();
    assert_eq!(kind(within(context.call::<Value>("sink", (list,))).await), ErrorKind::Range);
}

// What enters counts for the memory of the context, and one too many is an error there.
#[tokio::test]
async fn what_enters_counts_for_the_memory() {
    let broker = builder()
        .limits(Limits::default().memory_bytes(8 << 20))
        .native("large", || vec!["x".repeat(1 << 20)])
        .native("many", || vec![1; 100_000])
        .build()
        .unwrap();
    let context = basic(&broker, "l = list()").await;
    for native in ["large", "many"] {
        let source = format!("for i = 1 to 100\npush(l, {native}())\nnext");
        assert_eq!(kind(eval(&context, &source).await), ErrorKind::Memory, "{native}");
        eval(&context, "clear(l)").await.unwrap();
        // Without being kept, any number of them may come.
        let source = format!("for i = 1 to 20\nx = {native}()\nnext");
        eval(&context, &source).await.unwrap_or_else(|error| panic!("{native}: {error:?}"));
    }
}

// `Limits::handles`: no more functions leave than that, until some are released.
#[tokio::test]
async fn handles_are_bounded() {
    let broker = builder().limits(Limits::default().handles(10)).build().unwrap();
    let context = basic(&broker, "f = lambda () (return 7)").await;
    let ten: Vec<Function> =
        within(context.eval("list(f, f, f, f, f, f, f, f, f, f)")).await.unwrap();
    assert_eq!(kind(eval(&context, "f").await), ErrorKind::Memory);
    assert_eq!(within(ten[9].call::<i64>(())).await.unwrap(), 7);
    drop(ten);
    let f = async {
        loop {
            if let Ok(f) = eval(&context, "f").await {
                break f;
            }
        }
    };
    assert!(within(f).await.as_function().is_some());
}

// C-050: strings are any bytes, both ways.
#[tokio::test]
async fn strings_are_any_bytes() {
    let broker = builder().build().unwrap();
    let context = basic(&broker, "expose(\"same\", lambda (v) (return v))").await;
    let all: Vec<u8> = (0..=255).collect();
    let back: bytes::Bytes =
        within(context.call("same", (bytes::Bytes::from(all.clone()),))).await.unwrap();
    assert_eq!(back, all);
}
