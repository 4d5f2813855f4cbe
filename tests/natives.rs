//! Natives: Rust functions as scripts call them. Typed arguments, errors, panics, and calls back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{
    Broker, Builder, Caller, Error, ErrorKind, Function, Limits, Permissions, Rest, Result, Value,
};
use futures::future::{LocalBoxFuture, join_all};
use std::{cell::Cell, collections::HashMap, rc::Rc, time::Duration};
use support::*;

/// `native` calls the native that its first argument names with the others; `caught` tells the kind of
/// the error.
fn caller() -> Fake {
    Fake::new()
        .on("native", |env, mut args| async move {
            let name = args.remove(0);
            env.call(name.as_str().unwrap(), args).await
        })
        .on_fiber("fiber_native", |env, mut args| {
            let name = args.remove(0);
            env.call_now(name.as_str().unwrap(), args)
        })
        .on("caught", |env, mut args| async move {
            let name = args.remove(0);
            let error = env.call(name.as_str().unwrap(), args).await.unwrap_err();
            Ok(error.kind().as_str().into())
        })
        .on("one", |_, _| async { Ok(Value::Int(1)) })
}

/// A value as it prints, or kind and message of an error.
type Outcome = Result<String, (ErrorKind, String)>;

/// What a script gets when it calls native `name` with `args`.
async fn result(broker: &Broker, name: &str, args: &[Value]) -> Outcome {
    let args: Vec<Value> = [Value::from(name)].iter().chain(args).cloned().collect();
    let mut results = Vec::new();
    for function in ["native", "fiber_native"] {
        let result = broker.call::<Value>(function, args.clone()).await;
        results.push(match result {
            Ok(value) => Ok(format!("{value:?}")),
            Err(error) => Err((error.kind(), error.message().to_string())),
        });
    }
    assert_eq!(results[0], results[1], "on a fiber or not, it is the same");
    results.remove(0)
}

fn ok(text: &str) -> Outcome {
    Ok(text.into())
}

fn failed(kind: ErrorKind, text: &str) -> Outcome {
    Err((kind, text.into()))
}

/// The same natives in every form.
fn every_form(builder: Builder) -> Builder {
    builder
        .native("sync.sub", |a: i64, b: i64| a - b)
        .native_async("async.sub", |a: i64, b: i64| async move { a - b })
        .native_blocking("blocking.sub", |a: i64, b: i64| a - b)
        .native("sync.fails", |_: i64| Err::<(), _>(Error::new(ErrorKind::Io, "no disk")))
        .native_async("async.fails", |_: i64| async {
            Err::<(), _>(Error::new(ErrorKind::Io, "no disk"))
        })
        .native_blocking("blocking.fails", |_: i64| {
            Err::<(), _>(Error::new(ErrorKind::Io, "no disk"))
        })
        .native("sync.panics", || -> i64 { panic!("boom") })
        .native_async("async.panics", || async {
            tokio::task::yield_now().await;
            if true {
                panic!("boom");
            }
        })
        .native_blocking("blocking.panics", || -> i64 { panic!("boom") })
        .native_async("start.panics", || {
            if true {
                panic!("boom");
            }
            async {}
        })
}

const FORMS: [&str; 3] = ["sync", "async", "blocking"];

// C-003, C-131: arguments are typed; too few, too many, of the wrong type or out of range is an error.
#[tokio::test(start_paused = true)]
async fn every_form_takes_typed_arguments() {
    inline(every_form(builder(&caller())), async |broker| {
        let _context = open(&broker, "a", "native fiber_native").await;
        for form in FORMS {
            let name = format!("{form}.sub");
            let call = async |args: &[Value]| result(&broker, &name, args).await;
            let (five, two) = (Value::from(5), Value::from(2));
            assert_eq!(call(&[five.clone(), two.clone()]).await, ok("3"));
            assert_eq!(
                call(&[5.0.into(), two.clone()]).await,
                ok("3"),
                "an integral real is an int"
            );
            assert_eq!(
                call(std::slice::from_ref(&five)).await,
                failed(ErrorKind::Arity, "args[2]: missing")
            );
            assert_eq!(call(&[]).await, failed(ErrorKind::Arity, "args[1]: missing"));
            let many = failed(ErrorKind::Arity, "expected 2 arguments, got 3");
            assert_eq!(call(&[five.clone(), two, Value::Nil]).await, many);
            let wrong = failed(ErrorKind::Type, "args[2]: expected int, got string");
            assert_eq!(call(&[five.clone(), "x".into()]).await, wrong);
            assert_eq!(call(&[five, 1.5.into()]).await.unwrap_err().0, ErrorKind::Type);
        }
    })
    .await;
}

// C-128, C-130: errors come through as they are, with the native in the trace.
#[tokio::test(start_paused = true)]
async fn every_form_may_fail() {
    inline(every_form(builder(&caller())), async |broker| {
        let context = open(&broker, "a", "native fiber_native").await;
        for form in FORMS {
            let name = format!("{form}.fails");
            let no_disk = failed(ErrorKind::Io, "no disk");
            assert_eq!(result(&broker, &name, &[1.into()]).await, no_disk);
            let error = context.call::<()>("native", (name.clone(), 1)).await.unwrap_err();
            let frame = error.trace().last().unwrap();
            assert_eq!((frame.language.as_str(), frame.function.as_ref()), ("native", Some(&name)));
        }
    })
    .await;
}

// C-207: a panic is an error of kind `panicked`; the worker and the context live on.
#[tokio::test]
async fn every_form_may_panic() {
    let broker = threaded(every_form(builder(&caller())), 1);
    within(async {
        let context = open(&broker, "a", "native fiber_native one").await;
        for form in ["sync", "async", "blocking", "start"] {
            let name = format!("{form}.panics");
            assert_eq!(result(&broker, &name, &[]).await, failed(ErrorKind::Panicked, "boom"));
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        }
    })
    .await;
    broker.shutdown(TIMEOUT).await.unwrap();
}

// C-103, C-207: a hundred calls that fail, all at once, each with an answer of its own.
#[tokio::test]
async fn a_hundred_failing_natives_leave_nothing_behind() {
    let fake = caller();
    let watch = fake.watch();
    let broker = threaded(every_form(builder(&fake)), 2);
    within(async {
        let context = open(&broker, "a", "native fiber_native one").await;
        let names = ["sync.fails", "async.fails", "blocking.fails", "sync.panics", "async.panics"];
        let calls = (0..100).map(|n| {
            let name = names[n % names.len()];
            let script = if n % 2 == 0 { "native" } else { "fiber_native" };
            let mut args = vec![Value::from(name)];
            if name.ends_with("fails") {
                args.push(1.into());
            }
            let call = context.call::<()>(script, args);
            async move { (name, kind(call.await)) }
        });
        for (name, kind) in join_all(calls).await {
            let fails = name.ends_with("fails");
            assert_eq!(kind, if fails { ErrorKind::Io } else { ErrorKind::Panicked }, "{name}");
        }
        assert_eq!(context.usage().await.unwrap().calls, 0);
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
    assert_eq!((watch.handles(), watch.cut()), (3, 0));
}

// C-003: what may be a parameter, and what may be left out.
#[tokio::test(start_paused = true)]
async fn parameters_may_be_optional_the_rest_or_the_caller() {
    let builder = builder(&caller())
        .native("none", || ())
        .native("option", |a: i64, b: Option<i64>| a + b.unwrap_or(100))
        .native("value", |a: Value| a.type_name().to_string())
        .native("rest", |first: String, rest: Rest<i64>| format!("{first}{:?}", rest.0))
        .native("all", |rest: Rest<Value>| rest.len() as i64)
        .native("who", |a: i64, caller: Caller, b: i64| format!("{}{}", caller.name(), a + b))
        .native("map", |map: HashMap<String, Vec<u8>>| map["a"].len() as i64)
        .native("small", |a: u8| a)
        .native("back", |a: u64| a);
    inline(builder, async |broker| {
        let _context = open(&broker, "script", "native fiber_native").await;
        let int = |n: i64| Value::from(n);
        let nil = Value::Nil;
        for (name, args, expected) in [
            ("none", vec![], ok("nil")),
            ("none", vec![nil.clone()], failed(ErrorKind::Arity, "expected 0 arguments, got 1")),
            ("option", vec![int(1)], ok("101")),
            ("option", vec![int(1), nil.clone()], ok("101")),
            ("option", vec![int(1), int(2)], ok("3")),
            ("option", vec![], failed(ErrorKind::Arity, "args[1]: missing")),
            ("value", vec![], ok("\"nil\"")),
            ("value", vec![1.5.into()], ok("\"real\"")),
            ("rest", vec!["x".into()], ok("\"x[]\"")),
            ("rest", vec!["x".into(), int(1), int(2)], ok("\"x[1, 2]\"")),
            (
                "rest",
                vec!["x".into(), int(1), "y".into()],
                failed(ErrorKind::Type, "args[3]: expected int, got string"),
            ),
            ("all", vec![], ok("0")),
            ("all", vec![nil.clone(), nil.clone()], ok("2")),
            ("who", vec![int(1), int(2)], ok("\"script3\"")),
            ("who", vec![int(1)], failed(ErrorKind::Arity, "args[2]: missing")),
            (
                "who",
                vec![int(1), int(2), int(3)],
                failed(ErrorKind::Arity, "expected 2 arguments, got 3"),
            ),
            ("map", vec![Value::map([("a", Value::list([1, 2]))])], ok("2")),
            (
                "map",
                vec![Value::map([("a", Value::list([1, 300]))])],
                failed(ErrorKind::Range, "args[1].a[2]: 300 is out of range for u8"),
            ),
            ("small", vec![int(255)], ok("255")),
            (
                "small",
                vec![int(-1)],
                failed(ErrorKind::Range, "args[1]: -1 is out of range for u8"),
            ),
            ("back", vec![int(i64::MAX)], ok(&i64::MAX.to_string())),
        ] {
            assert_eq!(result(&broker, name, &args).await, expected, "{name} {args:?}");
        }
    })
    .await;
}

// C-207: an async native is polled on the script's own worker; its future need not be `Send`.
#[tokio::test]
async fn an_async_native_runs_on_the_scripts_worker() {
    let builder = builder(&caller()).native_async("local", || {
        let mine = Rc::new(Cell::new(0));
        let before = std::thread::current().name().map(String::from);
        async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
                mine.set(mine.get() + 1);
            }
            assert_eq!(std::thread::current().name().map(String::from), before);
            format!("{} {}", mine.get(), before.unwrap_or_default())
        }
    });
    let broker = threaded(builder, 2);
    within(async {
        for worker in 0..2 {
            let context = broker.open("fake").worker(worker).await.unwrap();
            context.eval::<()>(&format!("n{worker}=native")).await.unwrap();
            let call = context.call::<String>(&format!("n{worker}"), ("local",));
            assert_eq!(call.await.unwrap(), format!("3 calog-{worker}"));
        }
    })
    .await;
}

// C-118: a blocking native holds up neither its context nor its worker.
#[test]
fn a_blocking_native_blocks_nobody_else() {
    let blockade = Blockade::default();
    let blocked = blockade.clone();
    let builder = builder(&caller()).native_blocking("blocks", move || blocked.block());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = threaded(builder, 1);
    let context = runtime.block_on(open(&broker, "a", "native one"));
    let _lifted = Lifted(blockade.clone());
    let call = runtime.spawn(context.call::<()>("native", ("blocks",)));
    blockade.reached();
    assert_eq!(runtime.block_on(within(context.call::<i64>("one", ()))).unwrap(), 1);
    assert!(!call.is_finished());
    blockade.lift();
    runtime.block_on(within(call)).unwrap().unwrap();
}

/// A native that calls the function that it is given, and one that calls it after a while.
fn callbacks(builder: Builder) -> Builder {
    builder
        .native_async("apply", |f: Function, n: i64| async move { f.call::<Value>((n,)).await })
        .native_async("late", |f: Function, n: i64| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            f.call::<Value>((n,)).await
        })
}

/// `lend` lends a closure to native `apply`; `loops` does it in the closure again, until it ends.
fn lending(gate: &Gate) -> Fake {
    fn nested(env: Env, native: &'static str, n: i64) -> LocalBoxFuture<'static, Result<Value>> {
        Box::pin(async move {
            if n == 0 {
                return Ok(Value::Int(1));
            }
            let callback = env.function(move |env, args| async move {
                let below = nested(env, native, args[0].as_int().unwrap()).await?;
                Ok(Value::Int(1 + below.as_int().unwrap()))
            });
            env.call(native, (callback, n - 1)).await
        })
    }
    let inside = gate.clone();
    caller()
        .on("nested", |env, args| nested(env, "apply", args[0].as_int().unwrap()))
        .on("nested_late", |env, args| nested(env, "late", args[0].as_int().unwrap()))
        .on("lend_wait", move |env, _| {
            let gate = inside.clone();
            async move {
                let waits = env.function(move |_, _| {
                    let pass = gate.pass();
                    async move {
                        pass.await;
                        Ok(Value::Nil)
                    }
                });
                env.call("apply", (waits, 1)).await
            }
        })
}

// C-022, C-116: a native that calls back continues the chain: every callback is one deeper.
#[tokio::test(start_paused = true)]
async fn a_native_that_calls_back_continues_the_chain_in_depth() {
    let fake = lending(&Gate::default());
    let watch = fake.watch();
    let builder = callbacks(builder(&fake)).limits(Limits::default().depth(10));
    inline(builder, async |broker| {
        let context = open(&broker, "a", "nested nested_late").await;
        for name in ["nested", "nested_late"] {
            assert_eq!(context.call::<i64>(name, (10,)).await.unwrap(), 11);
            assert_eq!(kind(context.call::<i64>(name, (11,)).await), ErrorKind::Depth);
        }
        settle().await;
        assert_eq!(watch.handles(), 2);
    })
    .await;
}

// C-210: and it inherits the deadline, and ends with it.
#[tokio::test(start_paused = true)]
async fn a_native_that_calls_back_continues_the_chain_in_time() {
    let gate = Gate::default();
    let fake = lending(&gate);
    let watch = fake.watch();
    inline(callbacks(builder(&fake)), async |broker| {
        let context = open(&broker, "a", "lend_wait").await;
        let from = tokio::time::Instant::now();
        let limit = Duration::from_millis(50);
        let call = context.call::<()>("lend_wait", ()).deadline(limit);
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        assert_eq!(from.elapsed(), limit);
        settle().await;
        assert_eq!(watch.cut(), 2, "the script and the callback that it lent");
        assert_eq!(watch.handles(), 1);
        // The same by giving up.
        let mut call = context.call::<()>("lend_wait", ());
        start(&mut call).await;
        gate.arrived(2).await;
        drop(call);
        settle().await;
        assert_eq!((watch.cut(), watch.handles()), (4, 1));
    })
    .await;
}

// C-209: a callback through a native needs no room: it is part of a call that has some.
#[tokio::test(start_paused = true)]
async fn a_callback_through_a_native_needs_no_room() {
    let fake = lending(&Gate::default());
    let builder = callbacks(builder(&fake)).limits(Limits::default().concurrent_calls(1));
    inline(builder, async |broker| {
        let context = open(&broker, "a", "nested nested_late").await;
        assert_eq!(context.call::<i64>("nested", (5,)).await.unwrap(), 6);
        assert_eq!(context.call::<i64>("nested_late", (5,)).await.unwrap(), 6);
    })
    .await;
}

// C-154, C-159: a native learns which context calls, and what that may reach.
#[tokio::test(start_paused = true)]
async fn a_native_knows_its_caller() {
    let builder = builder(&caller()).native("who", |caller: Caller| {
        let roots = caller.permissions().read_roots().len();
        format!("{} {} {roots}", caller.name(), caller.context())
    });
    inline(builder, async |broker| {
        let poor = open(&broker, "poor", "native").await;
        let permissions = Permissions::none().allow_read("a").allow_read("b");
        let rich = broker.open("fake").name("rich").permissions(permissions).await.unwrap();
        rich.eval::<()>("rich=native").await.unwrap();
        let who: String = poor.call("native", ("who",)).await.unwrap();
        assert_eq!(who, format!("poor {} 0", poor.id()));
        let who: String = rich.call("rich", ("who",)).await.unwrap();
        assert_eq!(who, format!("rich {} 2", rich.id()));
    })
    .await;
}

// C-068, C-183: every native is there in every context, and a name that is none is `not_found`.
#[tokio::test(start_paused = true)]
async fn every_native_is_there_in_every_context() {
    inline(every_form(builder(&caller())), async |broker| {
        for n in 0..3 {
            let context = open(&broker, "a", &format!("f{n}=native g{n}=caught")).await;
            let args = || (Value::from("sync.sub"), Value::from(n), Value::from(1));
            assert_eq!(context.call::<i64>(&format!("f{n}"), args()).await.unwrap(), n - 1);
            let caught = context.call::<String>(&format!("g{n}"), ("sync.nobody",)).await;
            assert_eq!(caught.unwrap(), "not_found");
            let caught = context.call::<String>(&format!("g{n}"), ("sync",)).await;
            assert_eq!(caught.unwrap(), "not_found", "a namespace is no function");
        }
    })
    .await;
}
