//! Several brokers in one process: nothing passes between them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, Caller, ErrorKind, Function, Value, engine::Chain};
use futures::future::join_all;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};
use support::*;
use tokio::task::LocalSet;

fn simple() -> Fake {
    Fake::new()
        .on("double", |env, args| async move {
            env.call("add", (args[0].clone(), args[0].clone())).await
        })
        .on_fiber("half", |env, args| {
            let half = args[0].as_int().unwrap() / 2;
            env.call_now("add", (half, 0))
        })
        .on("make", |env, _| async move {
            Ok(env.function(|env, _| async move { Ok(env.id().to_string().into()) }).into())
        })
        .on("apply", |env, args| async move {
            let function = args[0].as_function().unwrap();
            env.apply(function, ()).await
        })
        .on("same", |_, args| async move { Ok(args[0].clone()) })
        .on("native", |env, _| async move { env.call("who", ()).await })
        .on("host", |env, _| async move { env.call("host_who", ()).await })
        .on("foreign", |env, _| async move { env.call("give", ()).await })
}

// C-154, C-157: brokers are created, driven and dropped on many threads at the same time.
#[test]
fn many_threads_each_drive_a_broker_of_their_own() {
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(within(async {
                    for round in 0..5 {
                        let fake = simple();
                        let watch = fake.watch();
                        let add = move |a: i64, b: i64| a + b + thread;
                        let broker = threaded(builder(&fake).native("add", add), 2);
                        let a = open(&broker, "a", "double").await;
                        let b = open(&broker, "b", "half").await;
                        assert_eq!(
                            (a.id().slot(), b.id().slot()),
                            (1, 2),
                            "ids are the broker's own"
                        );
                        for n in 0..20 {
                            assert_eq!(
                                a.call::<i64>("double", (n,)).await.unwrap(),
                                2 * n + thread
                            );
                            assert_eq!(b.call::<i64>("half", (n,)).await.unwrap(), n / 2 + thread);
                        }
                        // Every other one is dropped as it is.
                        if round % 2 == 0 {
                            broker.shutdown(TIMEOUT).await.unwrap();
                        } else {
                            drop(broker);
                            futures::join!(a.close(), b.close());
                        }
                        assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
                    }
                }));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

// C-158, C-159: one thread hosts two inline brokers, whose calls and host natives go side by side.
#[tokio::test(start_paused = true)]
async fn one_thread_hosts_two_brokers() {
    let local = LocalSet::new();
    let brokers: Vec<_> = ["left", "right"]
        .into_iter()
        .map(|name| {
            builder(&simple())
                .native("who", move || name)
                .native_host("host_who", move |caller: Caller| format!("{name} {}", caller.name()))
                .build_inline_with_host(&local)
                .unwrap()
        })
        .collect();
    let [(left, mut left_host), (right, mut right_host)] = <[_; 2]>::try_from(brokers).unwrap();
    local
        .run_until(within(async {
            let a = open(&left, "a", "native host").await;
            let b = open(&right, "b", "native host").await;
            assert_eq!(a.id(), b.id(), "ids number from 1 in every broker");
            assert_eq!(a.call::<String>("native", ()).await.unwrap(), "left");
            assert_eq!(b.call::<String>("native", ()).await.unwrap(), "right");
            let at_a = tokio::task::spawn_local(a.call::<String>("host", ()));
            let at_b = tokio::task::spawn_local(b.call::<String>("host", ()));
            settle().await;
            // The pump of one does not serve the other.
            assert_eq!((right_host.pump(), right_host.pump()), (1, 0));
            assert_eq!(at_b.await.unwrap().unwrap(), "right b");
            assert!(!at_a.is_finished());
            assert_eq!(left_host.pump(), 1);
            assert_eq!(at_a.await.unwrap().unwrap(), "left a");
            // One pump inside of the other's `run_until`.
            let call = right_host.run_until(b.call::<String>("host", ()));
            assert_eq!(left_host.run_until(call).await.unwrap(), "right b");
            // The end of one is not the end of the other.
            left.shutdown(TIMEOUT).await.unwrap();
            assert_eq!(kind(a.eval::<()>("").await), ErrorKind::Shutdown);
            assert_eq!(b.call::<String>("native", ()).await.unwrap(), "right");
        }))
        .await;
}

// C-155: exports, natives and failures of one broker are not those of another.
#[tokio::test(start_paused = true)]
async fn names_and_failures_are_per_broker() {
    let local = LocalSet::new();
    let failed: [Arc<Mutex<Vec<String>>>; 2] = Default::default();
    let build = |n: usize| {
        let log = failed[n].clone();
        builder(&simple())
            .native(["left_only", "right_only"][n], || 1)
            .on_failure(move |failure| log.lock().unwrap().push(failure.context.to_string()))
            .build_inline(&local)
            .unwrap()
    };
    let (left, right) = (build(0), build(1));
    local
        .run_until(within(async {
            let a = open(&left, "a", "f=same double").await;
            let b = open(&right, "b", "f=same double").await;
            a.close().await;
            assert_eq!(b.call::<i64>("f", (3,)).await.unwrap(), 3);
            assert!(left.names().contains(&"left_only".into()));
            assert!(!right.names().contains(&"left_only".into()));
            assert_eq!(kind(left.call::<i64>("f", (3,)).await), ErrorKind::NotFound);
            b.post("double", (1,)).unwrap();
            settle().await;
            assert!(failed[0].lock().unwrap().is_empty());
            assert_eq!(*failed[1].lock().unwrap(), ["b"]);
        }))
        .await;
}

// Also of brokers that follow one another on a thread, often at the same address: a thread must not go
// on with the numbers that it took from the first.
#[tokio::test(start_paused = true)]
async fn chains_of_one_broker_have_different_numbers() {
    for round in 0..20 {
        let local = LocalSet::new();
        let fake = Fake::new().on("f", |env, _| async move { env.call("number", ()).await });
        let number = || Chain::current().unwrap().number.cast_signed();
        let broker = builder(&fake).native("number", number).build_inline(&local).unwrap();
        let calls = local.run_until(within(async {
            let context = open(&broker, "a", "f").await;
            // Few in every other one, so that the next finds some left over.
            let count = if round % 2 == 0 { 3 } else { 100 };
            let mut numbers = HashSet::new();
            for _ in 0..count {
                let number = context.call::<i64>("f", ()).await.unwrap();
                assert!(numbers.insert(number), "{number} of broker {round}");
            }
            broker.shutdown(TIMEOUT).await.unwrap();
        }));
        calls.await;
    }
}

/// Two brokers on the same `LocalSet`, with a context each, and a function of the first.
async fn strangers(local: &LocalSet) -> (Broker, Broker, Function) {
    let (left, right) = (
        builder(&simple()).build_inline(local).unwrap(),
        builder(&simple()).build_inline(local).unwrap(),
    );
    let a = open(&left, "a", "make same apply").await;
    let _b = open(&right, "b", "make same apply").await;
    let function = a.call("make", ()).await.unwrap();
    (left, right, function)
}

// C-156, C-160: a function of one broker cannot enter another, on its own or inside of a value.
#[tokio::test(start_paused = true)]
async fn a_function_of_another_broker_is_unsupported() {
    let local = LocalSet::new();
    local
        .run_until(within(async {
            let (left, right, function) = strangers(&local).await;
            let inside = Value::list([Value::map([("f", function.clone())])]);
            for value in [Value::from(function.clone()), inside] {
                let passed = right.call::<Value>("same", (value.clone(),)).await;
                assert_eq!(kind(passed), ErrorKind::Unsupported);
                assert_eq!(left.call::<Value>("same", (value.clone(),)).await.unwrap(), value);
            }
            assert_eq!(
                kind(right.call::<Value>("apply", (function.clone(),)).await),
                ErrorKind::Unsupported
            );
            // The one of the same id and key there is another one, and equal to none of here.
            let other: Function = right.call("make", ()).await.unwrap();
            assert_eq!((other.context(), other.key()), (function.context(), function.key()));
            assert_ne!(other, function);
            // The host itself may hold both; each runs at home.
            assert!(
                function.call::<String>(()).await.is_ok() && other.call::<String>(()).await.is_ok()
            );
        }))
        .await;
}

// C-156: nor as the result of a native that the host has given it.
#[tokio::test(start_paused = true)]
async fn a_function_of_another_broker_is_no_result_either() {
    let local = LocalSet::new();
    local
        .run_until(within(async {
            let (_left, _right, function) = strangers(&local).await;
            let give = move || function.clone();
            let third = builder(&simple()).native("give", give).build_inline(&local).unwrap();
            let context = open(&third, "c", "foreign").await;
            assert_eq!(kind(context.call::<Value>("foreign", ()).await), ErrorKind::Unsupported);
        }))
        .await;
}

// C-160: natives can tell the brokers apart that call them, although ids and names are the same.
#[tokio::test(start_paused = true)]
async fn a_caller_tells_its_broker() {
    let local = LocalSet::new();
    let callers = Arc::new(Mutex::new(Vec::<Caller>::new()));
    let build = || {
        let log = callers.clone();
        builder(&simple())
            .native("who", move |caller: Caller| log.lock().unwrap().push(caller))
            .build_inline(&local)
            .unwrap()
    };
    let (left, right) = (build(), build());
    local
        .run_until(within(async {
            for (broker, name) in
                [(&left, "one=native"), (&left, "two=native"), (&right, "one=native")]
            {
                let context = open(broker, "same", name).await;
                context.call::<()>(&name[..3], ()).await.unwrap();
            }
        }))
        .await;
    let callers = callers.lock().unwrap();
    assert_eq!(callers[0].context(), callers[2].context());
    assert!(callers[0].same_broker(&callers[1]));
    assert!(!callers[0].same_broker(&callers[2]));
}

// C-154: a script of one broker may wait for a script of another, through a native of the host.
#[tokio::test]
async fn a_native_may_call_into_another_broker() {
    let inner = threaded(builder(&simple()).native("add", |a: i64, b: i64| a + b), 1);
    let there = open(&inner, "there", "double").await;
    let outer = builder(&simple())
        .native_async("add", move |a: i64, _: i64| there.call::<i64>("double", (a,)));
    let outer = threaded(outer, 1);
    let here = open(&outer, "here", "double").await;
    let calls = join_all((0..50).map(|n| here.call::<i64>("double", (n,))));
    for (n, result) in (0..).zip(within(calls).await) {
        assert_eq!(result.unwrap(), 2 * n);
    }
    within(inner.shutdown(TIMEOUT)).await.unwrap();
    // The broker below is gone, which is an error like any other to the one above.
    let gone = kind(within(here.call::<i64>("double", (1,))).await);
    assert!(gone == ErrorKind::Shutdown, "{gone}");
}
