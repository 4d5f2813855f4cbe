//! Calls that are under way in a context whose thread is busy with another of them: they get room, begin
//! and end all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, ErrorKind, Limits, Value};
use futures::future::join_all;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};
use support::*;
use tokio::task::LocalSet;

const MS: Duration = Duration::from_millis(1);

/// `wait` stops at the gate, `restless` is woken in its own poll, again and again, until `stop` runs.
fn restless(gate: &Gate) -> Fake {
    let stopped = Arc::new(AtomicBool::new(false));
    let stops = stopped.clone();
    waiting_at(gate)
        .on("restless", move |_, _| {
            let stopped = stopped.clone();
            futures::future::poll_fn(move |cx| {
                if stopped.load(SeqCst) {
                    return std::task::Poll::Ready(Ok(Value::Nil));
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            })
        })
        .on("stop", move |_, _| {
            stops.store(true, SeqCst);
            async { Ok(Value::Nil) }
        })
}

/// How often a call was suspended because its slice was over.
fn preemptions(broker: &Broker) -> u64 {
    broker.stats().totals().preemptions
}

#[tokio::test]
async fn room_is_given_back_beside_a_call_that_never_rests() {
    let gate = Gate::default();
    let limits = Limits::default().concurrent_calls(2);
    let broker = threaded(builder(&restless(&gate)).limits(limits), 1);
    let context = open(&broker, "a", "wait restless stop").await;
    let waits = tokio::spawn(context.call::<()>("wait", ()));
    gate.arrived(1).await;
    let restless = tokio::spawn(context.call::<()>("restless", ()));
    while broker.stats().usage().calls < 2 {
        tokio::task::yield_now().await;
    }
    let mut stop = context.call::<()>("stop", ());
    start(&mut stop).await;
    gate.open(1);
    within(stop).await.unwrap();
    within(waits).await.unwrap().unwrap();
    within(restless).await.unwrap().unwrap();
}

// Timers run on another thread, so that its deadline is heard of in the call's first poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn room_is_given_back_by_a_call_that_is_late_in_its_first_poll() {
    const LIMIT: Duration = Duration::from_millis(5);
    let fake = Fake::new()
        .on("late", |_, _| {
            let (past, is_past) = mpsc::channel();
            tokio::spawn(async move {
                tokio::time::sleep(2 * LIMIT).await;
                past.send(())
            });
            is_past.recv_timeout(TIMEOUT).unwrap();
            std::future::pending()
        })
        .on("quick", |_, _| async { Ok(Value::Nil) });
    let local = LocalSet::new();
    let limits = Limits::default().concurrent_calls(1);
    let broker = builder(&fake).limits(limits).build_inline(&local).unwrap();
    let test = async {
        let context = open(&broker, "a", "late quick").await;
        let late = context.call::<()>("late", ()).deadline(LIMIT);
        assert_eq!(kind(within(late).await), ErrorKind::Timeout);
        within(context.call::<()>("quick", ())).await.unwrap();
    };
    local.run_until(test).await;
}

#[cfg(feature = "lua")]
async fn lua(broker: &Broker, source: &str) -> calog::Context {
    let context = broker.open("lua").await.unwrap();
    context.eval::<()>(source).await.unwrap();
    context
}

/// A call that computes may be suspended so often until all others of its context have begun or ended.
const SOON: u64 = 10;

#[cfg(feature = "lua")]
#[tokio::test]
async fn a_nest_of_calls_ends_at_once_when_it_is_given_up() {
    let apply = |f: calog::Function, n: i64| f.call::<Value>((n,));
    let broker = Broker::builder().native_async("apply", apply);
    let broker = broker.limits(Limits::default().slice(5 * MS)).workers(1).build().unwrap();
    let source = "local function f(n) if n > 0 then apply(f, n - 1) end while true do end end
        expose('nest', f)";
    let context = lua(&broker, source).await;
    for _ in 0..3 {
        let call = context.call::<()>("nest", (100,)).deadline(50 * MS);
        assert_eq!(kind(within(call).await), ErrorKind::Timeout);
        let before = preemptions(&broker);
        within(async {
            while broker.stats().usage().calls > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let after = preemptions(&broker) - before;
        assert!(after < SOON, "it went on for {after} slices");
    }
}

#[cfg(feature = "lua")]
#[tokio::test]
async fn calls_begin_beside_one_that_computes() {
    const CALLS: usize = 100;
    let broker = Broker::builder().limits(Limits::default().slice(5 * MS)).workers(1);
    let broker = broker.build().unwrap();
    let context = lua(
        &broker,
        "expose('spin', function() while true do end end) expose('f', function() end)",
    )
    .await;
    let spin = tokio::spawn(context.call::<()>("spin", ()));
    while preemptions(&broker) == 0 {
        tokio::task::yield_now().await;
    }
    let mut calls: Vec<_> = (0..CALLS).map(|_| context.call::<()>("f", ())).collect();
    for call in &mut calls {
        start(call).await;
    }
    let before = preemptions(&broker);
    within(async {
        while broker.stats().usage().calls <= CALLS {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let after = preemptions(&broker) - before;
    assert!(after < SOON, "the last one began after {after} slices");
    spin.abort();
    join_all(calls).await.into_iter().for_each(|result| result.unwrap());
}
