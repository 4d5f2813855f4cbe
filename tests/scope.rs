//! What the scope offers languages that need it: names whose case does not count, text without an end of
//! line, input, and numbers that stand for booleans.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{
    Broker, Builder, Caller, Error, ErrorKind, Function, Limits, Result, Serde, Value,
    engine::Resolved,
};
use futures::future::join_all;
use serde::Deserialize;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};
use support::*;

/// What `find(name)` gives for a name whose case does not count: how it is written and what it is.
fn seek(env: &Env, name: &str) -> Result<Value> {
    Ok(match env.scope().resolve_ignoring_case(name)? {
        None => Value::Nil,
        Some((name, found)) => {
            let what = match found {
                Resolved::Native(_) => "native",
                Resolved::Function(_) => "function",
                Resolved::Data(_) => "data",
                Resolved::Namespace { .. } => "namespace",
            };
            format!("{name}: {what}").into()
        }
    })
}

fn text(args: &[Value]) -> String {
    args.first().and_then(Value::as_str).unwrap().to_string()
}

/// `find(name)`, and `expose(name)`, which exports the number 1 under the name.
fn seeker() -> Fake {
    Fake::new().on("find", |env, args| async move { seek(&env, &text(&args)) }).on(
        "expose",
        |env, args| async move {
            env.expose(&text(&args), 1)?;
            Ok(Value::Nil)
        },
    )
}

// C-084: a name in capitals finds what is written in any case: natives, data, exports, namespaces.
#[tokio::test(start_paused = true)]
async fn a_name_is_found_whatever_its_case() {
    let builder = builder(&seeker())
        .native("doubleIt", |n: i64| 2 * n)
        .native("wire.connect", || 1)
        .data("Config", 1);
    inline(builder, async |broker| {
        let a = open(&broker, "a", "find").await;
        let b = open(&broker, "b", "giveIn=expose").await;
        let find = async |name: &str| a.call::<Option<String>>("find", (name,)).await.unwrap();
        assert_eq!(find("DOUBLEIT").await.unwrap(), "doubleIt: native");
        assert_eq!(find("doubleit").await.unwrap(), "doubleIt: native");
        assert_eq!(find("WIRE.CONNECT").await.unwrap(), "wire.connect: native");
        assert_eq!(find("WIRE").await.unwrap(), "wire: namespace");
        assert_eq!(find("CONFIG").await.unwrap(), "Config: data");
        assert_eq!(find("GIVEIN").await.unwrap(), "giveIn: function");
        assert_eq!(find("NOBODY").await, None);

        b.call::<()>("giveIn", ("shop.Price",)).await.unwrap();
        assert_eq!(find("SHOP.PRICE").await.unwrap(), "shop.Price: data");
        assert_eq!(find("SHOP").await.unwrap(), "shop: namespace");
        // The end of their owner is that of its names.
        b.close().await;
        for name in ["SHOP.PRICE", "SHOP", "GIVEIN"] {
            assert_eq!(find(name).await, None, "{name}");
        }
    })
    .await;
}

// C-084: two names that differ only in case are an error that tells both, as long as both are there.
#[tokio::test(start_paused = true)]
async fn names_that_differ_only_in_case_are_ambiguous() {
    let builder =
        builder(&seeker()).native("doubleIt", |n: i64| 2 * n).native("wire.connect", || 1);
    inline(builder, async |broker| {
        let a = open(&broker, "a", "find").await;
        let find = async |name: &str| a.call::<String>("find", (name,)).await;
        for (spelling, name, message) in [
            ("DoubleIt", "DOUBLEIT", "`DOUBLEIT` may be `DoubleIt` or `doubleIt`"),
            (
                "Wire.connect",
                "WIRE.CONNECT",
                "`WIRE.CONNECT` may be `Wire.connect` or `wire.connect`",
            ),
            ("WIRE", "WIRE", "`WIRE` may be `WIRE` or `wire`"),
        ] {
            let b = open(&broker, "b", "giveIn=expose").await;
            // Twice is not two.
            for _ in 0..2 {
                b.call::<()>("giveIn", (spelling,)).await.unwrap();
            }
            let error = find(name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let whole = format!("{message}: two names that differ only in case");
            assert_eq!(error.message(), whole);
            b.close().await;
            assert!(find(name).await.is_ok(), "{name}");
        }
    })
    .await;
}

// C-084: whoever looks a name up while exports come and go finds it whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_counted_right_while_contexts_come_and_go() {
    let broker = threaded(builder(&seeker()), 2);
    let a = open(&broker, "a", "find").await;
    let exporters = (0..4).map(|n| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let b = broker.open("fake").await.unwrap();
                b.eval::<()>(&format!("give{n}=expose")).await.unwrap();
                // One of the four has it.
                let _ = b.call::<()>(&format!("give{n}"), ("wire.Shared",)).await;
                b.close().await;
            }
        })
    });
    let exporters = join_all(exporters);
    tokio::pin!(exporters);
    within(async {
        loop {
            tokio::select! {
                ended = &mut exporters => break ended.into_iter().for_each(|end| end.unwrap()),
                found = a.call::<Option<String>>("find", ("WIRE.SHARED",)) => {
                    assert!([None, Some("wire.Shared: data".into())].contains(&found.unwrap()));
                }
            }
        }
    })
    .await;
    for name in ["WIRE.SHARED", "WIRE", "GIVE0"] {
        assert_eq!(a.call::<Option<String>>("find", (name,)).await.unwrap(), None, "{name}");
    }
}

// C-060: a name is bounded: each of its namespaces is entered, so a long one would take its square.
#[tokio::test(start_paused = true)]
async fn a_name_of_a_megabyte_is_refused() {
    inline(builder(&seeker()), async |broker| {
        let a = open(&broker, "a", "give=expose find").await;
        let long = format!("{}a", "a.".repeat(1 << 19));
        let error = a.call::<()>("give", (long,)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Range, "a name of 1048577 bytes: the most is 255")
        );
        let most = format!("{}a", "a.".repeat(127));
        a.call::<()>("give", (&*most,)).await.unwrap();
        let found: String = a.call("find", (most.to_uppercase(),)).await.unwrap();
        assert_eq!(found, format!("{most}: data"));
    })
    .await;
}

/// What came out, as [`Printed::parts`] and [`Printed::lines`] write it.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    /// A builder whose output is written down part by part; `$` is an end of line.
    fn parts(&self, fake: &Fake) -> Builder {
        let sink = self.clone();
        builder(fake).output_parts(move |name, text, ends| {
            let (text, end) = (String::from_utf8_lossy(text), if ends { "$" } else { "" });
            sink.add(format!("{name}: {text}{end}"));
        })
    }

    /// A builder whose output is written down line by line.
    fn lines(&self, fake: &Fake) -> Builder {
        let sink = self.clone();
        builder(fake).output(move |name, line| {
            sink.add(format!("{name}: {}", String::from_utf8_lossy(line)));
        })
    }

    /// What came since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// `write(text, ...)` writes each text; `half` begins a line and calls `wait`; `ask` writes a prompt and
/// returns a line of input; `print` prints the end of a line that it has begun.
fn writer(gate: &Gate) -> Fake {
    let (inside, wait) = (gate.clone(), gate.clone());
    Fake::new()
        .on("write", |env, args| async move {
            for text in &args {
                env.scope().write(text.as_bytes().unwrap());
            }
            Ok(Value::Nil)
        })
        .on("half", |env, _| async move {
            env.scope().write(b"half ");
            env.call("wait", ()).await?;
            env.scope().write(b"whole\n");
            Ok(Value::Nil)
        })
        .on("wait", move |_, _| {
            let pass = inside.pass();
            async move {
                pass.await;
                Ok(Value::Nil)
            }
        })
        .on("hang", move |env, _| {
            env.scope().write(b"hanging");
            let pass = wait.pass();
            async move {
                pass.await;
                Ok(Value::Nil)
            }
        })
        .on("fail", |env, _| async move {
            env.scope().write(b"failing");
            Err(Error::raised("oh"))
        })
        .on("ask", |env, _| async move {
            env.scope().write(b"N: ");
            env.scope().read_line().await
        })
        .on("print", |env, _| async move {
            env.scope().write(b"a\nb");
            env.scope().print(b"c");
            env.scope().print(b"");
            Ok(Value::Nil)
        })
}

#[tokio::test(start_paused = true)]
async fn text_without_an_end_of_line_becomes_lines() {
    let (printed, gate) = (Printed::default(), Gate::default());
    let fake = writer(&gate);
    inline(printed.lines(&fake), async |broker| {
        let a = open(&broker, "a", "write half fail ask say=print wait hang").await;
        a.call::<()>("write", ("one ", "line\ntwo\n\n", "rest")).await.unwrap();
        // What is left comes when the call ends, before its result.
        assert_eq!(printed.take(), ["a: one line", "a: two", "a: ", "a: rest"]);
        a.call::<()>("say", ()).await.unwrap();
        assert_eq!(printed.take(), ["a: a", "a: bc", "a: "]);
        assert_eq!(kind(a.call::<()>("fail", ()).await), ErrorKind::Raised);
        assert_eq!(printed.take(), ["a: failing"]);
        a.call::<Value>("ask", ()).await.unwrap();
        assert_eq!(printed.take(), ["a: N: "]);
        // A call in the middle of a line does not cut it in two.
        let mut half = a.call::<()>("half", ());
        start(&mut half).await;
        gate.arrived(1).await;
        assert_eq!(printed.take(), [""; 0]);
        gate.open(1);
        half.await.unwrap();
        assert_eq!(printed.take(), ["a: half whole"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_output_in_parts_has_them_when_somebody_could_look() {
    let (printed, gate) = (Printed::default(), Gate::default());
    let fake = writer(&gate);
    inline(printed.parts(&fake), async |broker| {
        let a = open(&broker, "a", "write half fail ask say=print wait hang").await;
        a.call::<()>("write", ("one ", "line\ntwo\n\n", "re", "st")).await.unwrap();
        assert_eq!(printed.take(), ["a: one line$", "a: two$", "a: $", "a: rest"]);
        a.call::<()>("say", ()).await.unwrap();
        assert_eq!(printed.take(), ["a: a$", "a: bc$", "a: $"]);
        let mut half = a.call::<()>("half", ());
        start(&mut half).await;
        gate.arrived(1).await;
        assert_eq!(printed.take(), ["a: half "]);
        gate.open(1);
        half.await.unwrap();
        assert_eq!(printed.take(), ["a: whole$"]);
    })
    .await;
}

// A call that is ended from outside has printed what it has printed.
#[tokio::test(start_paused = true)]
async fn what_a_call_has_printed_that_is_cut_is_not_lost() {
    let (printed, gate) = (Printed::default(), Gate::default());
    let fake = writer(&gate);
    inline(printed.parts(&fake), async |broker| {
        let a = open(&broker, "a", "hang").await;
        let mut call = a.call::<()>("hang", ());
        start(&mut call).await;
        gate.arrived(1).await;
        assert_eq!(printed.take(), [""; 0]);
        drop(call);
        settle().await;
        assert_eq!(printed.take(), ["a: hanging"]);
        let mut call = a.call::<()>("hang", ());
        start(&mut call).await;
        gate.arrived(1).await;
        a.close().await;
        assert_eq!(printed.take(), ["a: hanging"]);
    })
    .await;
}

// C-060: what is kept of a line that never ends is bounded.
#[tokio::test(start_paused = true)]
async fn a_line_that_never_ends_comes_in_parts() {
    let (printed, gate) = (Printed::default(), Gate::default());
    let fake = writer(&gate);
    inline(printed.lines(&fake), async |broker| {
        let a = open(&broker, "a", "write").await;
        let (small, large) = ("s".repeat(700_000), "l".repeat(2_000_000));
        a.call::<()>("write", (&*small, &*small, "end\n", "x", &*large, "y")).await.unwrap();
        let lengths: Vec<_> = printed.take().iter().map(|line| line.len() - "a: ".len()).collect();
        assert_eq!(lengths, [700_000, 700_003, 1, 2_000_000, 1]);
    })
    .await;
}

/// The lines that a host gives, to whoever asks first.
fn lines(lines: &[&str]) -> impl Fn() -> Option<String> + Send + Sync + Clone + 'static {
    let lines: VecDeque<_> = lines.iter().map(ToString::to_string).collect();
    let lines = Arc::new(Mutex::new(lines));
    move || lines.lock().unwrap().pop_front()
}

#[tokio::test(start_paused = true)]
async fn input_comes_from_the_host() {
    let fake = writer(&Gate::default());
    let source = lines(&["43", ""]);
    let builder = builder(&fake).output(|_, _| {}).input(move |caller: Caller| {
        let line = source().map(|line| format!("{}{line}", caller.name()));
        async move { line }
    });
    inline(builder, async |broker| {
        let a = open(&broker, "a", "ask").await;
        let b = open(&broker, "b", "ask2=ask").await;
        let ask = async || a.call::<Option<String>>("ask", ()).await.unwrap();
        assert_eq!(ask().await.unwrap(), "a43");
        let other: Option<String> = b.call("ask2", ()).await.unwrap();
        assert_eq!(other.unwrap(), "b");
        assert_eq!(ask().await, None, "the end of the input");
        assert_eq!(ask().await, None);
    })
    .await;
}

// Deny by default: a script of an embedder does not reach the stdin of its process.
#[tokio::test(start_paused = true)]
async fn without_a_source_all_input_is_at_its_end() {
    let fake = writer(&Gate::default());
    inline(builder(&fake).output(|_, _| {}), async |broker| {
        let a = open(&broker, "a", "ask").await;
        assert_eq!(a.call::<Value>("ask", ()).await.unwrap(), Value::Nil);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_script_that_waits_for_input_holds_nobody_up() {
    let (printed, gate) = (Printed::default(), Gate::default());
    let fake = writer(&Gate::default());
    let inside = gate.clone();
    let builder = printed.parts(&fake).input(move || {
        let pass = inside.pass();
        async move {
            pass.await;
            "late"
        }
    });
    inline(builder, async |broker| {
        let a = open(&broker, "a", "ask write").await;
        let mut asking = a.call::<String>("ask", ());
        start(&mut asking).await;
        gate.arrived(1).await;
        // The prompt is there before the answer, and the context serves others.
        assert_eq!(printed.take(), ["a: N: "]);
        a.call::<()>("write", ("meanwhile\n",)).await.unwrap();
        // A deadline ends the wait.
        let late = a.call::<String>("ask", ()).deadline(TIMEOUT / 2).await;
        assert_eq!(kind(late), ErrorKind::Timeout);
        gate.open(1);
        assert_eq!(asking.await.unwrap(), "late");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn input_that_is_no_line_is_an_error() {
    for (value, expected, message) in [
        (Ok(Value::Int(1)), ErrorKind::Type, "a line of input is a int, not text"),
        (Ok("123456789".into()), ErrorKind::Range, "the value takes more than 8 bytes"),
        (Err(Error::new(ErrorKind::Io, "unplugged")), ErrorKind::Io, "unplugged"),
    ] {
        let fake = writer(&Gate::default());
        let limits = Limits::default().value_bytes(8);
        let source = move || std::future::ready(value.clone());
        let builder = builder(&fake).output(|_, _| {}).limits(limits).input(source);
        inline(builder, async |broker| {
            let a = open(&broker, "a", "ask").await;
            let error = a.call::<Value>("ask", ()).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (expected, message));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_fails_the_one_who_asks() {
    let fake = writer(&Gate::default());
    let source = || async {
        let line: Result<String, _> = String::from_utf8(vec![0xff]);
        line.expect("scope: no line")
    };
    inline(builder(&fake).output(|_, _| {}).input(source), async |broker| {
        let a = open(&broker, "a", "ask").await;
        assert_eq!(kind(a.call::<Value>("ask", ()).await), ErrorKind::Panicked);
        assert_eq!(kind(a.call::<Value>("ask", ()).await), ErrorKind::Panicked);
    })
    .await;
}

#[derive(Debug, Deserialize, PartialEq)]
struct Choice {
    wanted: bool,
    others: Vec<Option<bool>>,
}

/// Natives that ask for booleans, in every form.
fn askers(fake: &Fake) -> Builder {
    builder(fake)
        .native("is", |wanted: bool| if wanted { "yes" } else { "no" })
        .native("all", |all: Vec<Option<bool>>| {
            all.iter().filter(|one| **one == Some(true)).count()
        })
        .native("named", |named: HashMap<String, bool>| named["a"])
        .native("choice", |choice: Serde<Choice>| choice.0.wanted && choice.0.others[0].is_none())
        .native_async("later", |wanted: bool| async move { wanted })
        .native_blocking("blocking", |wanted: bool| wanted)
        .native("raw", |value: Value| value)
        .native_async("back", |f: Function| async move { f.call::<bool>(()).await })
}

/// `pass(name, args...)` calls `name`; `give(x)` gives `x` back.
fn passing() -> Fake {
    Fake::new()
        .on("pass", |env, mut args| async move {
            let name = args.remove(0);
            env.call(name.as_str().unwrap(), args).await
        })
        .on("give", |_, mut args| async move { Ok(args.remove(0)) })
        .on("back", |env, mut args| async move {
            let value = args.remove(0);
            let f = env.function(move |_, _| {
                let value = value.clone();
                async move { Ok(value) }
            });
            env.call("back", (f,)).await
        })
}

/// What `native` makes of `value`, called from a script.
async fn made(broker: &Broker, native: &str, value: impl Into<Value>) -> Result<Value> {
    let args = vec![Value::from(native), value.into()];
    broker.call::<Value>("pass", args).await
}

// C-008: a language without booleans sends 0 and 1, and whoever asks for a bool gets it.
#[tokio::test(start_paused = true)]
async fn numbers_stand_for_booleans_where_a_language_has_none() {
    let fake = passing().no_bools();
    inline(askers(&fake), async |broker| {
        let a = open(&broker, "a", "pass give giveBack=back").await;
        let choice = |wanted: i64| {
            Value::map([("wanted", Value::from(wanted)), ("others", Value::list([Value::Nil]))])
        };
        for (native, value, expected) in [
            ("is", 1.into(), "yes".into()),
            ("is", 0.into(), "no".into()),
            ("is", true.into(), "yes".into()),
            ("all", Value::list([1, 0, 1]), 2.into()),
            ("named", Value::map([("a", 1)]), true.into()),
            ("choice", choice(1), true.into()),
            ("choice", choice(0), false.into()),
            ("later", 1.into(), true.into()),
            ("blocking", 0.into(), false.into()),
            // Nobody asks for a bool here.
            ("raw", 1.into(), 1.into()),
        ] {
            let got = made(&broker, native, value.clone()).await;
            assert_eq!(got.unwrap(), expected, "{native}({value:?})");
        }
        for (native, value, message) in [
            ("is", 2.into(), "args[1]: expected bool, which is 0 or 1, got 2"),
            ("is", Value::Real(1.0), "args[1]: expected bool, got real"),
            ("is", "1".into(), "args[1]: expected bool, got string"),
            ("all", Value::list([1, -1]), "args[1][2]: expected bool, which is 0 or 1, got -1"),
            ("choice", choice(3), "args[1].wanted: expected bool, which is 0 or 1, got 3"),
        ] {
            let error = made(&broker, native, value).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Type, message));
        }
        // The same for the results of its functions.
        assert!(a.call::<bool>("give", (1,)).await.unwrap());
        assert_eq!(a.call::<Vec<bool>>("give", (vec![0, 1],)).await.unwrap(), [false, true]);
        let error = a.call::<bool>("give", (2,)).await.unwrap_err();
        assert_eq!(error.message(), "result: expected bool, which is 0 or 1, got 2");
        assert!(a.call::<bool>("giveBack", (1,)).await.unwrap());
    })
    .await;
}

// C-008: where a language has booleans, a number is none.
#[tokio::test(start_paused = true)]
async fn numbers_are_no_booleans_where_a_language_has_them() {
    let fake = passing();
    inline(askers(&fake), async |broker| {
        let a = open(&broker, "a", "pass give giveBack=back").await;
        for native in ["is", "later", "blocking"] {
            let error = made(&broker, native, 1).await.unwrap_err();
            assert_eq!(error.message(), "args[1]: expected bool, got int", "{native}");
        }
        for (native, value) in [("all", Value::list([1])), ("choice", Value::map([("wanted", 1)]))]
        {
            assert_eq!(kind(made(&broker, native, value).await), ErrorKind::Type, "{native}");
        }
        assert_eq!(kind(a.call::<bool>("give", (1,)).await), ErrorKind::Type);
        assert_eq!(kind(a.call::<bool>("giveBack", (1,)).await), ErrorKind::Type);
        assert!(a.call::<bool>("give", (true,)).await.unwrap());
    })
    .await;
}
