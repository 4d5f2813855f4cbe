//! Workers that no interrupt reaches, the end of calls by a token, and what the broker tells of itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, Builder, ErrorKind, Limits, Stats};
use futures::future::join_all;
use std::{
    future::{Future, IntoFuture, pending, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use support::*;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

/// How late an answer in the place of a held worker may be. It is far more than the promised 100 ms,
/// for machines that are busy, and far less than the blockades last.
const LATE: Duration = Duration::from_secs(10);

/// After this a worker counts as stuck here.
const STUCK_AFTER: Duration = Duration::from_millis(200);

/// `hold` blocks its worker at the blockade, `one` answers, `wait` waits at the gate.
fn holding(blockade: &Blockade, gate: &Gate) -> Builder {
    let blockade = blockade.clone();
    let fake = waiting_at(gate)
        .on("one", |_, _| async { Ok(1.into()) })
        .on("hold", move |_, _| {
            blockade.block();
            async { Ok(2.into()) }
        })
        .on("through_one", |env, _| async move { env.call("one", ()).await });
    builder(&fake)
}

async fn opened(broker: &Broker, worker: usize, source: &str) -> calog::Context {
    let context = broker.open("fake").worker(worker).await.unwrap();
    context.eval::<()>(source).await.unwrap();
    context
}

/// Waits until `state` holds of what the broker tells.
async fn until(broker: &Broker, state: impl Fn(&Stats) -> bool) {
    within(async {
        while !state(&broker.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

// S-050: a deadline is kept although the worker cannot be interrupted, for those whose call holds it
// and for those who wait behind it; what they called is not begun later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_hold_for_a_worker_that_is_held() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let broker = threaded(holding(&blockade, &gate), 2);
    let held = opened(&broker, 0, "hold=hold").await;
    let behind = opened(&broker, 0, "one=one").await;
    let other = opened(&broker, 1, "also_one=one through_one=through_one").await;
    let limit = Duration::from_millis(200);
    let began = Instant::now();
    let holds = tokio::spawn(held.call::<i64>("hold", ()).deadline(limit));
    blockade.reached();
    let waits = tokio::spawn(behind.call::<i64>("one", ()).deadline(limit));
    // From another worker, by a script.
    let through = tokio::spawn(other.call::<i64>("through_one", ()).deadline(limit));
    for call in [holds, waits, through] {
        let error = within(call).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let took = began.elapsed();
        assert!(took >= limit && took < limit + LATE, "{took:?}");
    }
    assert_eq!(within(other.call::<i64>("also_one", ())).await.unwrap(), 1);
    blockade.lift();
    assert_eq!(within(behind.call::<i64>("one", ())).await.unwrap(), 1);
    until(&broker, |stats| stats.usage().calls == 0).await;
    // The calls of this test, but for the one that was given up in the queue: loading is a call too.
    assert_eq!(broker.stats().totals().calls, 3 + 3 + 1);
    broker.shutdown(TIMEOUT).await.unwrap();
}

// S-051: a worker that does not respond: calls without a deadline fail with `timeout`, new ones with
// `busy`, new contexts go elsewhere; when it responds again, all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_worker_is_reported_avoided_and_recovers() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let limits = Limits::default().stuck_after(STUCK_AFTER).concurrent_calls(1);
    let broker = threaded(holding(&blockade, &gate).limits(limits), 2);
    let held = opened(&broker, 0, "hold=hold").await;
    let behind = opened(&broker, 0, "one=one wait=wait").await;
    let other = opened(&broker, 1, "through_one=through_one").await;
    let suspended = tokio::spawn(behind.call::<()>("wait", ()));
    gate.arrived(1).await;
    let without_room = tokio::spawn(behind.call::<i64>("one", ()));
    let holds = tokio::spawn(held.call::<i64>("hold", ()));
    blockade.reached();
    let through = tokio::spawn(other.call::<i64>("through_one", ()));

    let failed = |call| async { within::<tokio::task::JoinHandle<_>>(call).await.unwrap() };
    assert_eq!(kind(failed(holds).await), ErrorKind::Timeout);
    assert_eq!(kind(failed(through).await), ErrorKind::Timeout);
    assert_eq!(kind(failed(without_room).await), ErrorKind::Busy);
    assert_eq!(kind(within(suspended).await.unwrap()), ErrorKind::Timeout);
    let stats = broker.stats();
    assert_eq!(stats.stuck_workers(), 1);
    assert!(stats.workers[0].is_stuck && !stats.workers[1].is_stuck);
    assert_eq!(kind(within(behind.call::<i64>("one", ())).await), ErrorKind::Busy);
    assert_eq!(kind(within(behind.try_call::<i64>("one", ())).await), ErrorKind::Busy);
    assert_eq!(kind(behind.post("one", ())), ErrorKind::Busy);
    assert_eq!(kind(within(behind.usage()).await), ErrorKind::Busy);
    assert_eq!(kind(within(broker.open("fake").worker(0).into_future()).await), ErrorKind::Busy);
    for _ in 0..4 {
        within(broker.open("fake").into_future()).await.unwrap();
    }
    assert_eq!(broker.stats().workers[1].contexts, 5, "new contexts go to the other worker");

    blockade.lift();
    until(&broker, |stats| stats.stuck_workers() == 0).await;
    // What was given up has ended.
    until(&broker, |stats| stats.usage().calls == 0 && stats.queued() == 0).await;
    assert_eq!(within(behind.call::<i64>("one", ())).await.unwrap(), 1);
    assert_eq!(within(other.call::<i64>("through_one", ())).await.unwrap(), 1);
    within(broker.open("fake").worker(0).into_future()).await.unwrap();
    broker.shutdown(TIMEOUT).await.unwrap();
}

// S-051: whoever opens a context on a worker that gets stuck meanwhile hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_does_not_wait_for_a_stuck_worker() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let limits = Limits::default().stuck_after(STUCK_AFTER);
    let broker = threaded(holding(&blockade, &gate).limits(limits), 1);
    let held = opened(&broker, 0, "hold=hold").await;
    let holds = tokio::spawn(held.call::<i64>("hold", ()));
    blockade.reached();
    assert_eq!(kind(within(broker.open("fake").into_future()).await), ErrorKind::Busy);
    assert_eq!(kind(within(holds).await.unwrap()), ErrorKind::Timeout);
    blockade.lift();
    until(&broker, |stats| stats.contexts.len() == 1).await;
    broker.shutdown(TIMEOUT).await.unwrap();
}

// S-052: a shutdown answers also those who wait for a worker that is held, and says that it is late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_answers_for_a_held_worker() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let broker = threaded(holding(&blockade, &gate), 1);
    let held = opened(&broker, 0, "hold=hold").await;
    let holds = tokio::spawn(held.call::<i64>("hold", ()));
    blockade.reached();
    let late = broker.shutdown(Duration::from_millis(20)).await;
    assert_eq!(kind(late), ErrorKind::Timeout);
    assert_eq!(kind(within(holds).await.unwrap()), ErrorKind::Shutdown);
    blockade.lift();
    broker.shutdown(TIMEOUT).await.unwrap();
}

// S-053: the last drop of a broker waits for its threads, but not long for one that is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_waits_for_the_workers_but_not_for_ever() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let fake = waiting_at(&gate);
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let waits = open(&broker, "waits", "wait=wait").await;
    let call = tokio::spawn(waits.call::<()>("wait", ()));
    gate.arrived(1).await;
    drop(broker);
    // No waiting here: the workers are gone.
    assert_eq!(watch.interpreters(), 0);
    assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);

    let broker = threaded(holding(&blockade, &gate), 1);
    let held = opened(&broker, 0, "hold=hold").await;
    let call = tokio::spawn(held.call::<i64>("hold", ()));
    blockade.reached();
    let began = std::time::Instant::now();
    drop(broker);
    assert!(began.elapsed() < LATE);
    assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
}

// S-030: a token ends many calls, wherever they are; one that has come ends what has not begun.
#[tokio::test(start_paused = true)]
async fn a_token_cancels_calls() {
    let gate = Gate::default();
    let fake = waiting_at(&gate).on("one", |_, _| async { Ok(1.into()) });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait=wait one=one fiber_wait=fiber_wait").await;
        let token = CancellationToken::new();
        let cancelled = || token.clone().cancelled_owned();
        let mut calls: Vec<_> = ["wait", "fiber_wait", "wait"]
            .map(|name| context.call::<()>(name, ()).cancel_on(cancelled()))
            .into();
        for call in &mut calls {
            start(call).await;
        }
        gate.arrived(3).await;
        // Two signals: the first that comes counts.
        let (never, came) = (pending(), cancelled());
        calls.push(context.call::<()>("wait", ()).cancel_on(never).cancel_on(came));
        let goes_on = context.call::<i64>("one", ()).cancel_on(cancelled());
        assert_eq!(goes_on.await.unwrap(), 1, "a token that does not come changes nothing");
        token.cancel();
        for result in join_all(calls).await {
            assert_eq!(kind(result), ErrorKind::Cancelled);
        }
        let before = broker.stats().totals().calls;
        let never = context.call::<i64>("one", ()).cancel_on(cancelled());
        assert_eq!(kind(never.await), ErrorKind::Cancelled);
        settle().await;
        let stats = broker.stats();
        assert_eq!((stats.totals().calls, stats.usage().calls), (before, 0));
        assert_eq!(stats.totals().kills, 3);
        let (_sender, signal) = oneshot::channel::<()>();
        let answered = context.call::<i64>("one", ()).cancel_on(async { drop(signal.await) });
        assert_eq!(answered.await.unwrap(), 1);
    })
    .await;
    assert_eq!(watch.interpreters(), 0);
}

// A call that has ended gives its result, also where that must wait for the task's next budget and the
// signal comes in between.
#[tokio::test]
async fn a_signal_comes_too_late_for_a_call_that_has_ended() {
    let fake = Fake::new().on("one", |_, _| async { Ok(1.into()) });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "one=one").await;
        let mut was_asked = false;
        let signal = poll_fn(move |_| match std::mem::replace(&mut was_asked, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let mut call = pin!(context.call::<i64>("one", ()).cancel_on(signal));
        let first = poll_fn(|cx| {
            while pin!(tokio::task::coop::consume_budget()).poll(cx).is_ready() {}
            Poll::Ready(call.as_mut().poll(cx))
        });
        assert!(first.await.is_pending());
        assert_eq!(call.await.unwrap(), 1);
    })
    .await;
}

// S-053: what the broker tells: each context by its name and worker, what waits, what was done.
#[tokio::test(start_paused = true)]
async fn stats_tell_what_is_there() {
    let gate = Gate::default();
    let fake = waiting_at(&gate).on("one", |_, _| async { Ok(1.into()) });
    let limits = Limits::default().deadline(Duration::from_secs(1));
    inline(builder(&fake).limits(limits), async |broker| {
        let a = open(&broker, "a", "wait=wait one=one").await;
        let b = open(&broker, "b", "").await;
        let mut calls: Vec<_> = (0..3).map(|_| a.call::<()>("wait", ())).collect();
        start(&mut calls[0]).await;
        a.post("one", ()).unwrap();
        for call in &mut calls[1..] {
            start(call).await;
        }
        let stats = broker.stats();
        // The first found the context at rest and began at once; the others come after the posted one.
        assert_eq!((stats.queued(), stats.usage().calls), (3, 1));
        gate.arrived(3).await;
        settle().await;
        let stats = broker.stats();
        let find = |id| stats.contexts.iter().find(|context| context.id == id).unwrap();
        let (of_a, of_b) = (find(a.id()), find(b.id()));
        assert_eq!((&*of_a.name, &*of_a.engine, of_a.worker), ("a", "fake", 0));
        assert_eq!((of_a.usage.calls, of_a.queued, of_b.usage.calls), (3, 0, 0));
        assert_eq!(of_a.usage, a.usage().await.unwrap());
        assert_eq!(stats.workers.len(), 1);
        assert_eq!((stats.workers[0].contexts, stats.workers[0].calls), (2, 2 + 4));
        assert!(stats.workers[0].slices > 0);
        gate.open(1);
        let mut ended = join_all(calls).await;
        ended.sort_by_key(|result| result.is_err());
        assert!(ended[0].is_ok());
        for result in ended.drain(1..) {
            assert_eq!(kind(result), ErrorKind::Timeout);
        }
        settle().await;
        let stats = broker.stats();
        assert_eq!((stats.totals().kills, stats.usage().calls), (2, 0));
        b.close().await;
        assert_eq!(broker.stats().contexts.len(), 1);
    })
    .await;
}

// S-050: a script whose top level holds its worker does not hold whoever loads it.
#[cfg(feature = "lua")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading_does_not_wait_for_a_held_worker() {
    let blockade = Blockade::default();
    let _lifted = Lifted(blockade.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hold.lua");
    std::fs::write(&path, "hold()").unwrap();
    let held = blockade.clone();
    let broker = Broker::builder().workers(1).native("hold", move || held.block()).build().unwrap();
    let limits = Limits::default().deadline(Duration::from_millis(100));
    let began = Instant::now();
    let loaded = within(broker.load(&path).limits(limits).into_future()).await;
    assert_eq!(kind(loaded), ErrorKind::Timeout);
    assert!(began.elapsed() < LATE);
    blockade.lift();
    until(&broker, |stats| stats.contexts.is_empty()).await;
    broker.shutdown(TIMEOUT).await.unwrap();
}

// Settings at the ends of their ranges neither stop everything nor overflow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extreme_limits_are_taken_as_far_as_they_go() {
    let gate = Gate::default();
    for slice in [Duration::ZERO, Duration::MAX] {
        let limits = Limits::default()
            .slice(slice)
            .stuck_after(slice)
            .deadline(Duration::MAX)
            .concurrent_calls(0)
            .memory_bytes(usize::MAX)
            .value_bytes(usize::MAX);
        let fake = waiting_at(&gate).on("one", |_, _| async { Ok(1.into()) });
        let broker = threaded(builder(&fake).limits(limits.clone()), 1);
        let context = opened(&broker, 0, "one=one").await;
        for _ in 0..100 {
            assert_eq!(within(context.call::<i64>("one", ())).await.unwrap(), 1);
        }
        broker.shutdown(TIMEOUT).await.unwrap();
        inline(builder(&fake).limits(limits), async |broker| {
            let context = open(&broker, "a", "one=one").await;
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        })
        .await;
    }
}

// S-051: an engine that panics while its interpreter is dropped takes nobody else of its worker along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_the_end_of_a_context_leaves_the_worker_responding() {
    let (gate, broken) = (Gate::default(), AtomicBool::new(false));
    let fake = waiting_at(&gate).on("one", |_, _| async { Ok(1.into()) }).hook(move |entry, _| {
        let breaks = matches!(entry, Entry::Close) && !broken.swap(true, SeqCst);
        assert!(!breaks, "the test breaks it");
        Ok(())
    });
    // Room for a machine that is busy with something else.
    let limit = 4 * STUCK_AFTER;
    let limits = Limits::default().stuck_after(limit);
    let broker = threaded(builder(&fake).limits(limits), 1);
    let other = opened(&broker, 0, "one=one").await;
    let breaks = opened(&broker, 0, "also_one=one").await;
    within(breaks.close()).await;
    // Longer than it takes to be called stuck.
    let until = Instant::now() + 2 * limit;
    while Instant::now() < until {
        assert_eq!(broker.stats().stuck_workers(), 0);
        tokio::time::sleep(STUCK_AFTER / 8).await;
    }
    assert_eq!(within(other.call::<i64>("one", ())).await.unwrap(), 1);
}

// S-050: a deadline that is far away does not keep whoever waits for room from hearing that the worker
// does not respond.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_room_of_a_stuck_worker() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let limits = Limits::default().concurrent_calls(1).stuck_after(STUCK_AFTER);
    let broker = threaded(holding(&blockade, &gate).limits(limits), 1);
    let context = opened(&broker, 0, "one=one hold=hold").await;
    let holds = tokio::spawn(context.call::<i64>("hold", ()));
    blockade.reached();
    let hour = Duration::from_secs(3600);
    let behind = within(context.call::<i64>("one", ()).deadline(hour)).await;
    assert_eq!(kind(behind), ErrorKind::Busy);
    assert_eq!(kind(within(holds).await.unwrap()), ErrorKind::Timeout);
    blockade.lift();
}

// S-050: whoever waits for a worker is also answered when the broker is dropped and the worker is held
// by the end of a context.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_broker_answers_for_a_held_worker() {
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let held = blockade.clone();
    let fake = waiting_at(&gate).hook(move |entry, _| {
        if entry == Entry::Close {
            held.block();
        }
        Ok(())
    });
    let broker = threaded(builder(&fake), 1);
    let mut calls = Vec::new();
    for name in ["a", "b", "c"] {
        let context = opened(&broker, 0, &format!("{name}=wait")).await;
        calls.push(tokio::spawn(context.call::<()>(name, ())));
    }
    gate.arrived(3).await;
    let dropped = tokio::task::spawn_blocking(move || drop(broker));
    for call in calls {
        assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
    }
    blockade.lift();
    within(dropped).await.unwrap();
}

// What the watchdog has been told of one call, or has told it, is not meant for the next one of the thread.
#[tokio::test]
async fn what_the_watchdog_knows_of_a_call_ends_with_it() {
    #[derive(Default)]
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }
    let (blockade, gate) = (Blockade::default(), Gate::default());
    let _lifted = Lifted(blockade.clone());
    let broker = threaded(holding(&blockade, &gate), 2);
    // The first calls are watched for another worker, and without a deadline.
    let other = opened(&broker, 1, "wait=wait").await;
    let waits = async || {
        let (waits, ()) = tokio::join!(within(other.call::<()>("wait", ())), async {
            gate.arrived(1).await;
            gate.open(1);
        });
        waits.unwrap();
    };
    waits().await;
    let held = opened(&broker, 0, "hold=hold").await;
    let limit = Duration::from_millis(50);
    let mut late = held.call::<i64>("hold", ()).deadline(limit);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(Pin::new(&mut late).poll(&mut Context::from_waker(&waker)).is_pending());
    // It is told that it is late, but hears the answer first.
    until(&broker, |_| woken.0.load(SeqCst)).await;
    blockade.lift();
    until(&broker, |stats| stats.usage().calls == 0).await;
    assert_eq!(within(late).await.unwrap(), 2);
    waits().await;
    broker.shutdown(TIMEOUT).await.unwrap();
}
