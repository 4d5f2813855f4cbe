//! Calls between contexts of one worker: they run at once if the callee rests, and nobody can tell
//! but by the time that they take.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Limits};
use js_support::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);

/// Numbers that scripts have told with `tell(n)`, in their order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<i64>>>);

impl Told {
    fn to(&self, builder: calog::Builder) -> calog::Builder {
        let told = self.0.clone();
        builder.native("tell", move |n: i64| told.lock().unwrap().push(n))
    }

    fn all(&self) -> Vec<i64> {
        self.0.lock().unwrap().clone()
    }
}

fn short() -> Limits {
    Limits::default().slice(MS)
}

/// How many turns the contexts of the only worker have had.
fn turns(broker: &Broker) -> u64 {
    broker.stats().totals().slices
}

#[tokio::test]
async fn a_call_of_a_neighbour_that_rests_costs_it_no_turn() {
    let broker = builder().build().unwrap();
    named(&broker, "b", 0, "expose('add', function(a, b) return a + b end)").await;
    let a = lua(
        &broker,
        "expose('sum', function(n) local s = 0
        for i = 1, n do s = add(s, i) end return s end)",
    )
    .await;
    let before = turns(&broker);
    assert_eq!(within(a.call::<i64>("sum", (1000,))).await.unwrap(), 500_500);
    // A turn now and then, when the slice is over.
    assert!(turns(&broker) - before < 500, "each call took a turn");
}

#[tokio::test]
async fn calls_of_one_caller_begin_in_their_order() {
    let told = Told::default();
    let broker = told.to(builder().limits(short())).build().unwrap();
    named(&broker, "b", 0, "expose('f', function(n) tell(n) end)").await;
    let a = js(&broker, "expose('many', async n => {
        const all = []; for (let i = 0; i < n; i++) all.push(f.async(i)); await Promise.all(all); })")
    .await;
    within(a.call::<()>("many", (20_000,))).await.unwrap();
    let told = told.all();
    assert_eq!(told.len(), 20_000);
    let wrong = told.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!(wrong, 0, "calls were overtaken");
}

#[tokio::test]
async fn a_promise_and_a_plain_call_begin_in_their_order() {
    let told = Told::default();
    let broker = told.to(builder().limits(short())).build().unwrap();
    named(&broker, "b", 0, "expose('f', function(n) tell(n) end)").await;
    let a = js(
        &broker,
        "expose('many', async n => {
        const all = []; for (let i = 0; i < n; i += 2) { all.push(f.async(i)); f(i + 1); }
        await Promise.all(all); })",
    )
    .await;
    within(a.call::<()>("many", (20_000,))).await.unwrap();
    let told = told.all();
    let wrong = told.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!((told.len(), wrong), (20_000, 0), "calls were overtaken");
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_begin_in_their_order() {
    let told = Told::default();
    let stop = Arc::new(AtomicBool::new(false));
    let (goes_on, begun) = (stop.clone(), Gate::default());
    let begins = begun.clone();
    let builder = told.to(builder()).native("stopped", move || goes_on.load(SeqCst));
    let broker = builder.native("begins", move || begins.announce()).build().unwrap();
    let b = named(
        &broker,
        "b",
        0,
        "expose('f', function(n) tell(n) end)
        expose('hold', function() begins() while not stopped() do end end)",
    )
    .await;
    let a = js(
        &broker,
        "expose('two', async () => { const all = [f.async(1), f.async(2), f.async(3)];
        begins(); await Promise.all(all); })",
    )
    .await;
    let holds = tokio::spawn(b.call::<()>("hold", ()));
    begun.arrived(1).await;
    let two = tokio::spawn(a.call::<()>("two", ()));
    begun.arrived(1).await;
    // A turn of `b` more, in which it takes over what waits.
    let before = turns(&broker);
    within(async {
        while turns(&broker) < before + 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.store(true, SeqCst);
    within(holds).await.unwrap().unwrap();
    within(two).await.unwrap().unwrap();
    assert_eq!(told.all(), [1, 2, 3]);
}

/// A loop of calls must not keep the worker from its timers.
async fn timers_go_on_beside_a_loop(broker: &Broker, stop: &AtomicBool) {
    named(broker, "b", 0, "expose('f', function() return 1 end)").await;
    let a = lua(
        broker,
        "expose('loop', function() local n = 0
        while not stopped() do n = n + f() end return n end)",
    )
    .await;
    let c =
        named(broker, "c", 0, "expose('naps', function() for i = 1, 20 do nap(1000, i) end end)")
            .await;
    let looping = tokio::task::spawn_local(a.call::<i64>("loop", ()));
    let begin = Instant::now();
    within(c.call::<()>("naps", ())).await.unwrap();
    let took = begin.elapsed();
    stop.store(true, SeqCst);
    let n = within(looping).await.unwrap().unwrap();
    eprintln!("20 naps took {took:?} beside {n} calls");
    assert!(took < LATE, "20 naps took {took:?}");
}

#[tokio::test]
async fn a_loop_of_calls_lets_timers_run() {
    for signals in [true, false] {
        let stop = Arc::new(AtomicBool::new(false));
        let goes_on = stop.clone();
        let builder = builder().signals(signals).native("stopped", move || goes_on.load(SeqCst));
        let broker = builder.build().unwrap();
        tokio::task::LocalSet::new().run_until(timers_go_on_beside_a_loop(&broker, &stop)).await;
    }
}

#[tokio::test]
async fn a_loop_of_calls_lets_timers_run_in_inline_mode() {
    let stop = Arc::new(AtomicBool::new(false));
    let goes_on = stop.clone();
    let builder = builder().native("stopped", move || goes_on.load(SeqCst));
    inline(builder, async |broker| timers_go_on_beside_a_loop(&broker, &stop).await).await;
}

/// A chain of contexts each of which computes for a while when its callee has ended.
#[tokio::test]
async fn a_chain_of_calls_that_compute_takes_many_turns() {
    const DEEP: i64 = 20;
    let (told, gate) = (Told::default(), Gate::default()); // slice
    let (opens, passes) = (gate.clone(), gate.clone());
    let builder = told
        .to(builder())
        .native("go_on", move || opens.open(1))
        .native_async("gate", move || passes.pass())
        .native("burn", |us: u64| {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_micros(us) {}
        });
    let broker = builder.build().unwrap();
    for i in 0..DEEP {
        named(
            &broker,
            &format!("c{i}"),
            0,
            &format!(
            "expose('c{i}.f', function() if {i} + 1 < {DEEP} then call('c{}.f') else go_on() end
             burn(6000) tell({i}) end)", i + 1),
        )
        .await;
    }
    let other = named(&broker, "other", 0, "expose('other', function() gate() tell(-1) end)").await;
    let other = tokio::spawn(other.call::<()>("other", ()));
    gate.arrived(1).await;
    within(broker.call::<()>("c0.f", ())).await.unwrap();
    within(other).await.unwrap().unwrap();
    let told = told.all();
    let at = told.iter().position(|n| *n == -1).unwrap();
    eprintln!("{told:?}");
    assert!(at < 8, "the neighbour had its turn after {at} of {DEEP} slices");
}
