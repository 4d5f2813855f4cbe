//! Every language with every other, and with itself: values, functions, calls and errors that cross
//! between two scripts, for each ordered pair of the engines that are built in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use bytes::Bytes;
use calog::{
    Broker, Builder, Context, Error, ErrorKind, Fidelity, Function, Key, Kind, Result, Serde,
    Value, fidelity::Sample,
};
use futures::future::join_all;
use languages::*;
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};

const BOTH: [Fidelity; 2] = [Fidelity::Strict, Fidelity::Lenient];

/// Two contexts that know each other by name, and a third one.
struct Pair {
    broker: Broker,
    /// What a failure is told about: `lua with js, on 2 workers`.
    names: String,
    a: Side,
    b: Side,
}

/// One of the contexts, which has run the kit of its language.
struct Side {
    engine: String,
    context: Context,
}

impl Side {
    async fn open(broker: &Broker, engine: &str, worker: usize, names: [&str; 3]) -> Self {
        let [me, other, third] = names;
        let context = within(broker.open(engine).name(me).worker(worker).into_future()).await;
        let context = context.unwrap();
        let kit = language(engine).kit;
        let kit = kit.replace("ME", me).replace("OTHER", other).replace("THIRD", third);
        within(context.eval_as::<()>(&format!("{me}.{engine}"), &kit)).await.unwrap();
        Self { engine: engine.into(), context }
    }

    /// Calls the function `name` of its kit.
    async fn call<R: calog::FromValue>(&self, name: &str, args: impl calog::IntoArgs) -> Result<R> {
        within(self.context.call(&format!("{}.{name}", self.context.name()), args)).await
    }

    /// The same in a call that chooses how values cross.
    async fn send(&self, name: &str, value: &Value, fidelity: Fidelity) -> Result<Value> {
        let name = format!("{}.{name}", self.context.name());
        within(self.context.call(&name, (value.clone(),)).fidelity(fidelity)).await
    }

    /// What comes back of `value` from its language.
    fn through(&self, value: &Value, fidelity: Fidelity) -> through::Back {
        through(&self.engine, value, fidelity)
    }

    async fn handles(&self) -> usize {
        within(self.context.usage()).await.unwrap().handles
    }
}

/// How many functions each has given out.
async fn handles<const N: usize>(sides: [&Side; N]) -> [usize; N] {
    let mut counts = [0; N];
    for (count, side) in counts.iter_mut().zip(sides) {
        *count = side.handles().await;
    }
    counts
}

/// Lets all forget what they keep, until each has given out as many functions as it had before.
async fn released<const N: usize>(sides: [&Side; N], before: [usize; N], names: &str) {
    let forget = async {
        while handles(sides).await != before {
            for side in sides {
                side.call::<()>("drop", ()).await.unwrap();
            }
        }
    };
    let in_time = tokio::time::timeout(TIMEOUT, forget).await;
    assert!(in_time.is_ok(), "{names}: {:?} handles, not {before:?}", handles(sides).await);
}

fn builder(workers: usize) -> Builder {
    Broker::builder()
        .workers(workers)
        .output(|_, _| {})
        .on_failure(|_| {})
        .native("fail", |kind: String, message: String| -> Result<()> {
            Err(Error::new(kind.parse()?, message))
        })
}

fn engines() -> Vec<String> {
    let broker = builder(1).build().unwrap();
    broker.engines().map(|(name, _)| name.to_string()).collect()
}

/// Runs `test` for every ordered pair of engines, on one worker and across two.
async fn every_pair(test: impl AsyncFn(&Pair)) {
    for one in engines() {
        for other in engines() {
            for workers in [1, 2] {
                let broker = builder(workers).build().unwrap();
                let a = Side::open(&broker, &one, 0, ["a", "b", "c"]).await;
                let b = Side::open(&broker, &other, workers - 1, ["b", "a", "c"]).await;
                let names = format!("{one} with {other}, on {workers} workers");
                test(&Pair { broker: broker.clone(), names, a, b }).await;
                broker.shutdown(TIMEOUT).await.unwrap();
            }
        }
    }
}

/// What a result is, in the form in which a rule foretells it.
fn shown(result: &Result<Value>) -> String {
    match result {
        Ok(value) => exact(value),
        Err(error) => format!("error: {}", error.kind()),
    }
}

fn foretold(back: &through::Back) -> String {
    match back {
        Ok(value) => exact(value),
        Err(kind) => format!("error: {kind}"),
    }
}

/// The values that the tables of the engines let enter.
fn samples(broker: &Broker) -> Vec<Value> {
    let rules = broker.fidelity().flat_map(|(_, rules)| rules);
    let values = rules.filter_map(|rule| match rule.sample {
        Sample::Value { make, .. } => Some(make()),
        _ => None,
    });
    values.collect()
}

// C-059, C-007, C-045 to C-058: from the host through a, b and a again, as the rules of both
// foretell it.
#[tokio::test]
async fn samples_go_there_and_back() {
    every_pair(async |Pair { broker, names, a, b }| {
        for value in samples(broker) {
            for fidelity in BOTH {
                let there = a.through(&value, fidelity).and_then(|v| b.through(&v, fidelity));
                let wanted = there.and_then(|value| a.through(&value, fidelity));
                let got = a.send("relay", &value, fidelity).await;
                assert_eq!(shown(&got), foretold(&wanted), "{names}, {fidelity:?}, {value:?}");
            }
        }
    })
    .await;
}

// C-059, C-063: what the expressions of a's own table make arrives in b as if the host had sent it.
#[tokio::test]
async fn what_one_language_makes_arrives_in_the_other() {
    every_pair(async |Pair { broker, names, a, b }| {
        let tables: Vec<_> = broker.fidelity().collect();
        let (_, rules) = tables.iter().find(|(name, _)| *name == a.engine).unwrap();
        for rule in *rules {
            let Sample::Expression(expression) = rule.sample else { continue };
            for fidelity in BOTH {
                let written = language(&a.engine).value;
                let source = written(expression);
                let made = within(a.context.eval::<Value>(&source).fidelity(fidelity)).await;
                let wanted = match &made {
                    Ok(value) => b.through(value, fidelity),
                    Err(error) => Err(error.kind()),
                };
                let source = written(&format!("b.keep(({expression}))"));
                let kept = within(a.context.eval::<Value>(&source).fidelity(fidelity)).await;
                let got = match kept {
                    Ok(_) => b.send("kept", &Value::Nil, fidelity).await,
                    failed => failed,
                };
                assert_eq!(shown(&got), foretold(&wanted), "{names}, {fidelity:?}, {expression}");
            }
        }
    })
    .await;
}

// C-005, C-007: data that b exports is a's by value.
#[tokio::test]
async fn data_crosses_by_name() {
    every_pair(async |Pair { broker, names, a, b }| {
        for value in samples(broker).into_iter().filter(|value| !value.is_nil()) {
            for fidelity in BOTH {
                let out = b.through(&value, fidelity);
                let published = b.send("publish", &value, fidelity).await;
                let Ok(out) = out else {
                    assert_eq!(shown(&published), foretold(&out), "{names}, {value:?}");
                    continue;
                };
                assert!(published.is_ok(), "{names}, {fidelity:?}, {value:?}: {published:?}");
                let data = broker.export("b.data").unwrap();
                assert_eq!(exact(&data), exact(&out), "{names}, {fidelity:?}, {value:?}");
                let got = a.send("look", &Value::Nil, fidelity).await;
                let wanted = a.through(&out, fidelity);
                assert_eq!(shown(&got), foretold(&wanted), "{names}, {fidelity:?}, {value:?}");
            }
        }
        // What is published later is what is seen later.
        b.call::<()>("publish", (vec![1, 2],)).await.unwrap();
        assert_eq!(a.call::<Vec<i64>>("look", ()).await.unwrap(), [1, 2], "{names}");
        b.call::<()>("publish", ("later",)).await.unwrap();
        assert_eq!(a.call::<String>("look", ()).await.unwrap(), "later", "{names}");
    })
    .await;
}

// C-022, C-024 to C-026, C-033, C-056, C-080: functions as callbacks, as results, stored and called
// later.
#[tokio::test]
async fn functions_cross_and_are_released() {
    every_pair(async |Pair { names, a, b, .. }| {
        let before = handles([a, b]).await;
        for _ in 0..20 {
            let seen: Vec<String> = a.call("callback", ("x",)).await.unwrap();
            assert_eq!(seen, ["x", "x!"], "{names}: a callback of a, called by b");
            assert_eq!(a.call::<i64>("fetch", (1,)).await.unwrap(), 12, "{names}: a closure of b");
            assert!(a.call::<bool>("comes_home", ()).await.unwrap(), "{names}");
            a.call::<()>("lend", ()).await.unwrap();
            // The call that lent it is over.
            assert_eq!(b.call::<String>("use", ("x",)).await.unwrap(), "of a: x", "{names}");
            // The host gets a's own function out of b, and calls it there.
            let lent: Function = b.call("kept", ()).await.unwrap();
            assert_eq!(lent.context(), a.context.id(), "{names}: it goes on as itself");
            assert_eq!(within(lent.call::<String>(("y",))).await.unwrap(), "of a: y");
            // A function of b, kept by a, back in b.
            let add: Function = b.call("make", (1,)).await.unwrap();
            a.call::<()>("keep", (add.clone(),)).await.unwrap();
            assert_eq!(a.call::<i64>("use", (1,)).await.unwrap(), 2, "{names}");
            assert_eq!(a.call::<i64>("apply", (add, 1)).await.unwrap(), 3, "{names}: one closure");
        }
        released([a, b], before, names).await;
    })
    .await;
}

// C-028: a function whose owner has closed is an error that the other side can catch.
#[tokio::test]
async fn a_function_of_a_closed_context_is_dead() {
    every_pair(async |Pair { names, a, b, .. }| {
        a.call::<()>("lend", ()).await.unwrap();
        a.context.close().await;
        let error = b.call::<Value>("use", ("x",)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dead, "{names}: {error}");
        // It is only the function that is dead.
        assert_eq!(b.call::<i64>("echo", (1,)).await.unwrap(), 1, "{names}");
    })
    .await;
}

// C-022, C-056: a function of b goes through a to a third context, which calls it.
#[tokio::test]
async fn functions_pass_through_a_third_context() {
    every_pair(async |Pair { broker, names, a, b }| {
        for engine in engines() {
            let c = Side::open(broker, &engine, 0, ["c", "a", "b"]).await;
            let before = handles([a, b, &c]).await;
            for _ in 0..10 {
                assert_eq!(a.call::<i64>("forward", (3,)).await.unwrap(), 8, "{names}, {engine}");
                // c keeps what a made of b's function, and calls it when a has forgotten it.
                let add: Function = b.call("make", (100,)).await.unwrap();
                let add: Function = a.call("echo", (add,)).await.unwrap();
                assert_eq!(add.context(), b.context.id(), "{names}, {engine}");
                c.call::<()>("keep", (vec![add.clone()],)).await.unwrap();
                let list: Vec<Function> = c.call("kept", ()).await.unwrap();
                assert_eq!(list, [add], "{names}, {engine}");
                assert_eq!(within(list[0].call::<i64>((1,))).await.unwrap(), 101);
            }
            released([a, b, &c], before, names).await;
            c.context.close().await;
        }
    })
    .await;
}

// C-111, C-116: a calls b calls a, to depth 100; past the limit both can catch it and go on.
#[tokio::test]
async fn calls_nest_and_end_in_a_depth_error() {
    every_pair(async |Pair { names, a, b, .. }| {
        for n in [1, 2, 99, 100] {
            assert_eq!(a.call::<i64>("bounce", (n,)).await.unwrap(), n, "{names}");
        }
        let error = a.call::<i64>("bounce", (1000,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Depth, "{names}: {error}");
        for side in [a, b] {
            let Serde(caught): Serde<(bool, String)> = side.call("fathom", ()).await.unwrap();
            assert_eq!(caught, (false, "depth".into()), "{names}");
        }
        // The limit is that of a chain, not of what is left over.
        assert_eq!(a.call::<i64>("bounce", (100,)).await.unwrap(), 100, "{names}");
    })
    .await;
}

// C-111, C-112, C-117: calls that have nothing to do with each other go across at once, from both
// ends, and none waits for ever.
#[tokio::test]
async fn unrelated_calls_cross_each_other() {
    every_pair(async |Pair { names, a, b, .. }| {
        let roots = (0..40).map(|n| {
            let (side, depth) = (if n % 2 == 0 { a } else { b }, n % 9);
            async move { (side.call::<i64>("bounce", (depth,)).await, depth) }
        });
        for (result, depth) in join_all(roots).await {
            assert_eq!(result.unwrap(), depth, "{names}");
        }
    })
    .await;
}

// C-128, C-129: kind, message and payload of what b raises are a's to catch, and to raise again.
#[tokio::test]
async fn errors_cross_with_kind_message_and_payload() {
    let code = |error: &Error| {
        let payload = error.payload().as_aggregate().and_then(|map| map.get_str("code")).cloned();
        payload.unwrap_or_default()
    };
    every_pair(async |Pair { names, a, .. }| {
        let caught: Value = a.call("catch", ("no\u{ef} way",)).await.unwrap();
        let wanted = Value::list([Value::from("raised"), "no\u{ef} way".into(), 7.into()]);
        assert_eq!(caught, wanted, "{names}");
        for name in ["fall", "rethrow"] {
            let error = match name {
                "fall" => a.call::<Value>(name, (1,)).await,
                _ => a.call::<Value>(name, ("fell",)).await,
            };
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Raised, "{names}, {name}: {error:?}");
            assert_eq!(error.message(), "fell", "{names}, {name}: {error:?}");
            assert_eq!(code(&error), Value::Int(7), "{names}, {name}: {error:?}");
        }
        for kind in ErrorKind::ALL {
            let caught = a.call::<Serde<(String, String, bool)>>("caught", (kind.as_str(),));
            let wanted = (kind.to_string(), "what went wrong".to_string(), true);
            assert_eq!(caught.await.unwrap().0, wanted, "{names}");
        }
    })
    .await;
}

/// The scripts of an error's trace, each once where it follows itself, with their languages.
fn scripts(error: &Error) -> Vec<(String, String)> {
    let frames = error.trace().iter().filter(|frame| frame.language != "native");
    let mut scripts: Vec<_> =
        frames.map(|frame| (frame.script.clone(), frame.language.clone())).collect();
    scripts.dedup();
    scripts
}

// C-128: one trace through both languages, in call order, each frame with its line.
#[tokio::test]
async fn traces_go_through_both_languages() {
    every_pair(async |Pair { names, a, b, .. }| {
        let place =
            |side: &Side| (format!("{}.{}", side.context.name(), side.engine), side.engine.clone());
        let (of_a, of_b) = (place(a), place(b));
        let error = a.call::<Value>("fall", (3,)).await.unwrap_err();
        let wanted = [of_a.clone(), of_b.clone(), of_a.clone(), of_b.clone()];
        assert_eq!(scripts(&error), wanted, "{names}: {error:?}");
        assert!(error.trace().iter().all(|frame| frame.line.is_some()), "{names}: {error:?}");
        // The line of each is that of the kit.
        let kit = |engine: &str| language(engine).kit.lines();
        let line_of = |engine: &str, text| 1 + kit(engine).position(|l| l.contains(text)).unwrap();
        let last = error.trace().last().unwrap().line.unwrap() as usize;
        assert_eq!(last, line_of(&b.engine, "fell"), "{names}: {error:?}");
        let first = error.trace().first().unwrap().line.unwrap() as usize;
        assert_eq!(first, line_of(&a.engine, "OTHER.fall"), "{names}: {error:?}");
        // Raised again, it keeps the frames of where it came from.
        let error = a.call::<Value>("rethrow", ("m",)).await.unwrap_err();
        assert_eq!(scripts(&error), [of_a, of_b], "{names}: {error:?}");
    })
    .await;
}

/// Any number, with those at the edges often.
fn number() -> impl Strategy<Value = Value> {
    let ints =
        vec![0, 1, -1, i64::MAX, i64::MIN, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, -(1 << 53)];
    let reals = vec![
        0.0,
        -0.0,
        1.0,
        0.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e300,
        5e-324,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
    ];
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Real),
        any::<i32>().prop_map(|int| Value::Real(int.into())),
        prop::sample::select(ints).prop_map(Value::Int),
        prop::sample::select(reals).prop_map(Value::Real),
    ]
}

/// Any bytes: text, what is no text, and names that mean something in a language.
fn bytes() -> impl Strategy<Value = Bytes> {
    let names =
        vec!["", "1", "01", "-1", "__proto__", "constructor", "then", "n", "length", "a\0b"];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from),
        ".{0,6}".prop_map(Bytes::from),
        prop::sample::select(names).prop_map(|name| Bytes::from_static(name.as_bytes())),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => bytes().prop_map(Key::from),
        2 => (-1_i64..6).prop_map(Key::Int),
        1 => number().prop_filter_map("NaN is no key", |number| Key::try_from(number).ok()),
    ]
}

/// Any value without functions.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Nil),
        1 => any::<bool>().prop_map(Value::Bool),
        3 => number(),
        3 => bytes().prop_map(Value::String),
        1 => bytes().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        // With holes, at the end too: there languages differ most.
        let item = prop_oneof![2 => inner.clone(), 1 => Just(Value::Nil)];
        let array = prop::collection::vec(item, 0..6);
        let pairs = prop::collection::vec((key(), inner), 0..5);
        let kinds = prop::sample::select(vec![Kind::List, Kind::Map, Kind::Both]);
        (kinds, array, pairs).prop_map(|(kind, array, pairs)| match kind {
            Kind::List => table(kind, array, []),
            Kind::Map => table(kind, [], pairs),
            Kind::Both => table(kind, array, pairs),
        })
    })
}

// C-059, C-043 to C-058, C-063: any value goes through two languages as the rules of both foretell
// it. The cases are the same in every run.
#[test]
fn any_value_comes_through_as_the_rules_foretell() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for one in engines() {
        for other in engines() {
            let broker = builder(1).build().unwrap();
            let (a, b) = runtime.block_on(async {
                let a = Side::open(&broker, &one, 0, ["a", "b", "c"]).await;
                (a, Side::open(&broker, &other, 0, ["b", "a", "c"]).await)
            });
            let config =
                ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
            let rng = TestRng::deterministic_rng(config.rng_algorithm);
            let result = TestRunner::new_with_rng(config, rng).run(&value(), |value| {
                for fidelity in BOTH {
                    let wanted = a.through(&value, fidelity).and_then(|v| b.through(&v, fidelity));
                    let got = runtime.block_on(async {
                        let there = a.send("echo", &value, fidelity).await?;
                        b.send("echo", &there, fidelity).await
                    });
                    prop_assert_eq!(shown(&got), foretold(&wanted), "{:?}", fidelity);
                    // From script to script it is the same.
                    let wanted = wanted.and_then(|value| a.through(&value, fidelity));
                    let got = runtime.block_on(a.send("relay", &value, fidelity));
                    prop_assert_eq!(shown(&got), foretold(&wanted), "{:?}, by script", fidelity);
                }
                Ok(())
            });
            assert!(result.is_ok(), "{one} with {other}: {}", result.unwrap_err());
        }
    }
}
