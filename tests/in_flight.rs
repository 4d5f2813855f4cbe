//! Calls that are under way in a context whose thread is busy with another of them: they get room, begin
//! and end all the same.

#![cfg(feature = "lua")]
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
use tokio::{sync::Notify, task::LocalSet};

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

#[tokio::test]
async fn who_was_answered_finds_room() {
    let fake = Fake::new().on("quick", |_, _| async { Ok(Value::Nil) }).on("waits", |_, _| async {
        tokio::task::yield_now().await;
        Ok(Value::Nil)
    });
    let broker = threaded(builder(&fake).limits(Limits::default().concurrent_calls(1)), 1);
    let context = open(&broker, "a", "quick waits").await;
    // Whether the worker has looked for more before the caller asks again is a matter of chance.
    for _ in 0..500 {
        for name in ["quick", "waits"] {
            within(context.try_call::<()>(name, ())).await.unwrap();
        }
    }
}

async fn lua(broker: &Broker, source: &str) -> calog::Context {
    let context = broker.open("lua").await.unwrap();
    context.eval::<()>(source).await.unwrap();
    context
}

/// A call that computes may be suspended so often until all others of its context have begun or ended.
const SOON: u64 = 10;

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

/// Numbers that look random, from xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What calls of all kinds do: end at once, wait until `goes_on`, yield, or wait for ever.
fn all_kinds(goes_on: &Arc<Notify>) -> Fake {
    let (direct, fiber) = (goes_on.clone(), goes_on.clone());
    Fake::new()
        .on("echo", |_, mut args| async move { Ok(args.pop().unwrap_or_default()) })
        .on("wait", move |_, _| {
            let goes_on = direct.clone();
            async move {
                goes_on.notified().await;
                Ok(Value::Nil)
            }
        })
        .on_fiber("fiber_wait", move |_, _| {
            let goes_on = fiber.clone();
            calog::fiber::block_on(async move { goes_on.notified().await })?;
            Ok(Value::Nil)
        })
        .on("yields", |_, _| async {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            Ok(Value::Nil)
        })
        .on("forever", |_, _| std::future::pending())
        .on("relay", |env, mut args| async move {
            let name = args.remove(0);
            env.call(name.as_str().unwrap(), args).await
        })
}

/// Calls of all kinds are begun, given up, late and answered at random; then there is as much room as
/// there was.
async fn room_is_what_it_was(broker: &Broker, goes_on: &Notify, seed: u64) {
    let mut numbers = Numbers(seed);
    let context = open(broker, "a", "echo wait fiber_wait yields forever").await;
    let other = open(broker, "b", "relay").await;
    let mut calls = Vec::new();
    for _ in 0..400 {
        let text = "x".repeat([0, 2000, 40_000][numbers.below(3) as usize]);
        let name = ["wait", "fiber_wait", "echo", "yields"][numbers.below(4) as usize];
        match numbers.below(8) {
            0..4 => {
                let call = match numbers.below(3) {
                    0 => context.call::<Value>(name, (text,)),
                    1 => context.try_call::<Value>(name, (text,)),
                    _ => other.call::<Value>("relay", (name, text)),
                };
                let late = numbers.below(3) == 0;
                let mut call =
                    if late { call.deadline(numbers.below(20) as u32 * MS) } else { call };
                if futures::poll!(&mut call).is_pending() {
                    calls.push(call);
                }
            }
            4 => drop(context.post("echo", (text,))),
            5 if !calls.is_empty() => {
                let place = numbers.below(calls.len() as u64) as usize;
                drop(calls.swap_remove(place));
            }
            6 if !calls.is_empty() => {
                let place = numbers.below(calls.len() as u64) as usize;
                if futures::poll!(&mut calls[place]).is_ready() {
                    drop(calls.swap_remove(place));
                }
            }
            7 => {
                goes_on.notify_waiters();
                tokio::time::sleep(MS).await;
            }
            _ => tokio::task::yield_now().await,
        }
    }
    drop(calls);
    within(async {
        while context.usage().await.unwrap().calls > 0 || broker.stats().queued() > 0 {
            goes_on.notify_waiters();
            tokio::task::yield_now().await;
        }
        // What the last of them has left is given back before the answer.
        context.usage().await.unwrap();
    })
    .await;
    let mut most: Vec<_> = (0..CALLS).map(|_| context.try_call::<()>("forever", ())).collect();
    for call in &mut most {
        start(call).await;
    }
    assert_eq!(kind(context.try_call::<()>("forever", ()).await), ErrorKind::Busy, "{seed}");
    drop(most);
    // All of the other kind of room is there too.
    let all = "x".repeat(63 * 1024);
    within(context.call::<Value>("echo", (all,))).await.unwrap();
    within(context.close()).await;
    within(other.close()).await;
}

const CALLS: usize = 3;

fn little_room() -> Limits {
    Limits::default().concurrent_calls(CALLS).memory_bytes(64 * 1024).value_bytes(64 * 1024)
}

#[tokio::test(start_paused = true)]
async fn no_room_is_lost_or_won_in_inline_mode() {
    let goes_on = Arc::new(Notify::new());
    let fake = all_kinds(&goes_on);
    let watch = fake.watch();
    for seed in 1..=SEEDS {
        inline(builder(&fake).limits(little_room()), async |broker| {
            room_is_what_it_was(&broker, &goes_on, seed).await;
        })
        .await;
    }
    assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
}

#[tokio::test]
async fn no_room_is_lost_or_won_across_threads() {
    let goes_on = Arc::new(Notify::new());
    let fake = all_kinds(&goes_on);
    let watch = fake.watch();
    let broker = threaded(builder(&fake).limits(little_room()), 2);
    for seed in 1..=SEEDS {
        room_is_what_it_was(&broker, &goes_on, seed).await;
    }
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
}

/// So often the numbers are others.
const SEEDS: u64 = 20;
