//! Calls: they nest, overlap, end in any order, and are bounded in depth and time; a caller that goes
//! away takes its call with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, ErrorKind, Fidelity, Function, Limits, Result, Value};
use futures::future::{join_all, try_join_all};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

fn int(args: &[Value]) -> i64 {
    args[0].as_int().unwrap()
}

/// `down(n)` calls `up(n - 1)` and the other way round, until 0; the result counts the calls.
fn ping_pong() -> Fake {
    async fn next(env: Env, other: &str, args: Vec<Value>) -> Result<Value> {
        match int(&args) {
            0 => Ok(Value::Int(1)),
            n => Ok(Value::Int(1 + env.call(other, (n - 1,)).await?.as_int().unwrap())),
        }
    }
    Fake::new()
        .on("down", |env, args| next(env, "up", args))
        .on("up", |env, args| next(env, "down", args))
        .on_fiber("fiber_down", |env, args| match int(&args) {
            0 => Ok(Value::Int(1)),
            n => {
                let below = env.call_now("fiber_up", (n - 1,))?;
                Ok(Value::Int(1 + below.as_int().unwrap()))
            }
        })
        .on_fiber("fiber_up", |env, args| match int(&args) {
            0 => Ok(Value::Int(1)),
            n => {
                let below = env.call_now("fiber_down", (n - 1,))?;
                Ok(Value::Int(1 + below.as_int().unwrap()))
            }
        })
        .on("forever_a", |env, _| async move { env.call("forever_b", ()).await })
        .on("forever_b", |env, _| async move { env.call("forever_a", ()).await })
        // Catches what it gets, as a `pcall` does, and tells the kind.
        .on("caught", |env, _| async move {
            match env.call("forever_a", ()).await {
                Ok(value) => Ok(value),
                Err(error) => Ok(error.kind().as_str().into()),
            }
        })
        .on("one", |_, _| async { Ok(Value::Int(1)) })
}

// C-111, C-112: a context that waits for its call serves the calls that come back to it.
#[tokio::test(start_paused = true)]
async fn calls_that_come_back_nest_to_depth_100_on_one_worker() {
    let fake = ping_pong();
    let _watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "down fiber_down").await;
        let _b = open(&broker, "b", "up fiber_up").await;
        assert_eq!(a.call::<i64>("down", (99,)).await.unwrap(), 100);
        assert_eq!(a.call::<i64>("fiber_down", (99,)).await.unwrap(), 100);
    })
    .await;
}

// C-101, C-111, C-112: the same when each of the two has a thread of its own.
#[tokio::test]
async fn calls_that_come_back_nest_to_depth_100_across_two_workers() {
    let fake = ping_pong();
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    within(async {
        for (name, worker, source) in [("a", 0, "down fiber_down"), ("b", 1, "up fiber_up")] {
            let context = broker.open("fake").name(name).worker(worker).await.unwrap();
            context.eval::<()>(source).await.unwrap();
        }
        assert_eq!(broker.call::<i64>("down", (99,)).await.unwrap(), 100);
        assert_eq!(broker.call::<i64>("fiber_down", (99,)).await.unwrap(), 100);
    })
    .await;
    broker.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(watch.interpreters(), 0);
}

// C-116: the default limit is 128 calls below the first, exactly.
#[tokio::test(start_paused = true)]
async fn the_depth_limit_is_exact() {
    inline(builder(&ping_pong()), async |broker| {
        let a = open(&broker, "a", "down").await;
        let _b = open(&broker, "b", "up").await;
        assert_eq!(Limits::default().depth, 128);
        assert_eq!(a.call::<i64>("down", (128,)).await.unwrap(), 129);
        assert_eq!(kind(a.call::<i64>("down", (129,)).await), ErrorKind::Depth);
        // The chain that failed has left nothing behind.
        assert_eq!(a.call::<i64>("down", (128,)).await.unwrap(), 129);
        assert_eq!(a.usage().await.unwrap().calls, 0);
    })
    .await;
}

// C-116: a limit of the broker's own; with 0 a script cannot call another at all.
#[tokio::test(start_paused = true)]
async fn the_depth_limit_can_be_set() {
    for depth in [0, 1, 7] {
        let builder = builder(&ping_pong()).limits(Limits::default().depth(depth));
        inline(builder, async |broker| {
            let a = open(&broker, "a", "down").await;
            let _b = open(&broker, "b", "up").await;
            let most = i64::from(depth);
            assert_eq!(a.call::<i64>("down", (most,)).await.unwrap(), most + 1);
            assert_eq!(kind(a.call::<i64>("down", (most + 1,)).await), ErrorKind::Depth);
        })
        .await;
    }
}

// C-116: two contexts that call each other for ever get an error that a script can catch.
#[tokio::test]
async fn endless_ping_pong_is_a_catchable_depth_error() {
    let broker = threaded(builder(&ping_pong()), 2);
    within(async {
        let a = open(&broker, "a", "forever_a caught one").await;
        let _b = open(&broker, "b", "forever_b").await;
        assert_eq!(a.call::<String>("caught", ()).await.unwrap(), "depth");
        assert_eq!(a.call::<i64>("one", ()).await.unwrap(), 1);
        let error = a.call::<()>("forever_a", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Depth);
        assert!(error.message().contains("128"), "{error}");
    })
    .await;
}

// C-112: two contexts call each other at the same time, from roots that know nothing of each other.
#[tokio::test]
async fn unrelated_roots_that_call_across_each_other_never_hang() {
    let gate = Gate::default();
    let crossing = gate.clone();
    // Both roots are inside of their context when the calls to the other one begin.
    let cross = move |other: &'static str| {
        let gate = crossing.clone();
        move |env: Env, _| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                env.call(other, ()).await
            }
        }
    };
    let fake = Fake::new()
        .on("cross_a", cross("end_b"))
        .on("cross_b", cross("end_a"))
        .on("end_a", |_, _| async { Ok("a".into()) })
        .on("end_b", |_, _| async { Ok("b".into()) });
    let broker = threaded(builder(&fake), 2);
    within(async {
        let a = open(&broker, "a", "cross_a end_a").await;
        let b = open(&broker, "b", "cross_b end_b").await;
        for _ in 0..200 {
            let both = futures::future::join(a.call("cross_a", ()), b.call("cross_b", ()));
            let open = async {
                gate.arrived(2).await;
                gate.open(2);
            };
            let ((at_a, at_b), ()) = futures::future::join(both, open).await;
            let (at_a, at_b): (Result<String>, Result<String>) = (at_a, at_b);
            assert_eq!((at_a.unwrap().as_str(), at_b.unwrap().as_str()), ("b", "a"));
        }
    })
    .await;
}

// C-110, C-117: a context holds 1,000 calls that wait, all at once, and each gets its own answer.
#[tokio::test(start_paused = true)]
async fn a_thousand_waiting_calls_overlap() {
    let gate = Gate::default();
    let (through, fiber_through) = (gate.clone(), gate.clone());
    let fake = Fake::new()
        .on("wait", move |_, args| {
            let pass = through.pass();
            async move {
                pass.await;
                Ok(args[0].clone())
            }
        })
        .on_fiber("fiber_wait", move |_, args| {
            calog::fiber::block_on(fiber_through.pass())?;
            Ok(args[0].clone())
        });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait fiber_wait").await;
        for name in ["wait", "fiber_wait"] {
            let calls =
                (0..1000).map(|n| tokio::task::spawn_local(context.call::<i64>(name, (n,))));
            let calls: Vec<_> = calls.collect();
            gate.arrived(1000).await;
            assert_eq!(context.usage().await.unwrap().calls, 1000);
            gate.open(1000);
            for (n, call) in (0..).zip(calls) {
                assert_eq!(call.await.unwrap().unwrap(), n);
            }
        }
    })
    .await;
    assert_eq!(watch.cut(), 0);
}

// C-110: foreign threads call while the contexts are in the middle of calls to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_call_into_contexts_that_call_each_other() {
    let fake = ping_pong();
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let a = open(&broker, "a", "down fiber_down").await;
    let b = open(&broker, "b", "up fiber_up").await;
    let callers = (0..8).map(|caller| {
        let (a, b) = (a.clone(), b.clone());
        tokio::spawn(async move {
            for n in 0..100 {
                let deep = (caller + n) % 9;
                let (context, name) = match n % 4 {
                    0 => (&a, "down"),
                    1 => (&b, "up"),
                    2 => (&a, "fiber_down"),
                    _ => (&b, "fiber_up"),
                };
                assert_eq!(context.call::<i64>(name, (deep,)).await.unwrap(), deep + 1);
            }
        })
    });
    within(join_all(callers)).await.into_iter().for_each(|caller| caller.unwrap());
    broker.shutdown(TIMEOUT).await.unwrap();
    assert_eq!((watch.interpreters(), watch.cut(), watch.handles()), (0, 0, 0));
}

// C-113: calls of one context end in any order, also those that began on fibers.
#[tokio::test(start_paused = true)]
async fn calls_end_in_any_order() {
    let gates: [Gate; 4] = Default::default();
    let inside = gates.clone();
    let fake = Fake::new().on_fiber("wait", move |_, args| {
        calog::fiber::block_on(inside[int(&args) as usize].pass())?;
        Ok(args[0].clone())
    });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait").await;
        let start = |n| tokio::task::spawn_local(context.call::<i64>("wait", (n,)));
        let mut calls: Vec<_> = (0..4).map(|n| Some(start(n))).collect();
        for gate in &gates {
            gate.arrived(1).await;
        }
        for n in [2, 0, 3, 1] {
            gates[n].open(1);
            let call = calls[n].take().unwrap();
            assert_eq!(call.await.unwrap().unwrap(), n as i64);
            assert!(calls.iter().flatten().all(|call| !call.is_finished()));
        }
    })
    .await;
}

// C-117, C-111: while a context waits for another one it answers a third party.
#[tokio::test(start_paused = true)]
async fn a_waiting_context_serves_other_callers() {
    let gate = Gate::default();
    let inside = gate.clone();
    let fake = ping_pong()
        .on("outer", |env, _| async move { env.call("inner", ()).await })
        .on_fiber("inner", move |_, _| {
            calog::fiber::block_on(inside.pass())?;
            Ok("done".into())
        });
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "outer one").await;
        let _b = open(&broker, "b", "inner").await;
        let outer = tokio::task::spawn_local(a.call::<String>("outer", ()));
        gate.arrived(1).await;
        for _ in 0..10 {
            assert_eq!(a.call::<i64>("one", ()).await.unwrap(), 1);
        }
        assert!(!outer.is_finished());
        gate.open(1);
        assert_eq!(outer.await.unwrap().unwrap(), "done");
    })
    .await;
}

// C-115: what a context keeps may change while a call of its own waits; what the call holds does not.
#[tokio::test(start_paused = true)]
async fn globals_may_change_across_a_call_and_locals_do_not() {
    let fake = Fake::new()
        .on("outer", |env, _| async move {
            env.keep("global", 1);
            let local = 1;
            env.call("other", ()).await?;
            Ok(Value::list([env.kept("global").unwrap(), local.into()]))
        })
        .on("other", |env, _| async move { env.call("change", ()).await })
        .on("change", |env, _| async move {
            env.keep("global", 2);
            Ok(Value::Nil)
        });
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "outer change").await;
        let _b = open(&broker, "b", "other").await;
        assert_eq!(a.call::<[i64; 2]>("outer", ()).await.unwrap(), [2, 1]);
    })
    .await;
}

/// Functions that wait at a gate, directly or two contexts further down.
fn waiting(gate: &Gate) -> Fake {
    waiting_at(gate)
        .on("far", |env, _| async move { env.call("through", ()).await })
        .on_fiber("fiber_far", |env, _| env.call_now("fiber_through", ()))
        .on_fiber("fiber_through", |env, _| env.call_now("fiber_wait", ()))
        .on("one", |_, _| async { Ok(Value::Int(1)) })
        .on("deep_caught", |env, _| async move {
            match env.call("wait", ()).await {
                Ok(_) => Ok("ended".into()),
                Err(error) => Ok(error.kind().as_str().into()),
            }
        })
}

const WAITING: &str = "wait fiber_wait";

/// Three contexts: `far` of the last calls `through` of the second, which calls `wait` of the first.
async fn three(broker: &Broker) -> [calog::Context; 3] {
    [
        open(broker, "c", WAITING).await,
        open(broker, "b", "through fiber_through").await,
        open(broker, "a", "far fiber_far one deep_caught").await,
    ]
}

// C-210, C-131: the call's own deadline; the context is as good as before.
#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_own_deadline() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait fiber_wait one").await;
        for (cut, name) in [(1, "wait"), (2, "fiber_wait")] {
            let from = Instant::now();
            let call = context.call::<()>(name, ()).deadline(50 * MS);
            assert_eq!(kind(call.await), ErrorKind::Timeout);
            assert_eq!(from.elapsed(), 50 * MS);
            assert_eq!(watch.cut(), cut);
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
            assert_eq!(context.usage().await.unwrap().calls, 0);
        }
    })
    .await;
}

// C-210: a deadline holds for all that the call calls, and what is below ends with it.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_inherited_by_the_calls_below() {
    for name in ["far", "fiber_far"] {
        let gate = Gate::default();
        let fake = waiting(&gate);
        let watch = fake.watch();
        inline(builder(&fake), async |broker| {
            let contexts = three(&broker).await;
            let from = Instant::now();
            let call = broker.call::<()>(name, ()).deadline(50 * MS);
            assert_eq!(kind(call.await), ErrorKind::Timeout);
            assert_eq!(from.elapsed(), 50 * MS);
            settle().await;
            assert_eq!(watch.cut(), 3, "all three calls of the chain were cut");
            for context in &contexts {
                assert_eq!(context.usage().await.unwrap().calls, 0);
            }
            assert_eq!(broker.call::<i64>("one", ()).await.unwrap(), 1);
        })
        .await;
    }
}

// C-210: the limit of the called context counts where it is shorter, and only it fails: the caller can
// catch that and has time left.
#[tokio::test(start_paused = true)]
async fn the_shorter_limit_of_the_callee_counts() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let strict = Limits::default().deadline(10 * MS);
        let callee = broker.open("fake").limits(strict).await.unwrap();
        callee.eval::<()>("wait").await.unwrap();
        let _a = open(&broker, "a", "deep_caught").await;
        let from = Instant::now();
        let call = broker.call::<String>("deep_caught", ()).deadline(50 * MS);
        assert_eq!(call.await.unwrap(), "timeout");
        assert_eq!(from.elapsed(), 10 * MS);
        assert_eq!(watch.cut(), 1);
        // For calls from the host it is a limit as well.
        assert_eq!(kind(callee.call::<()>("wait", ()).await), ErrorKind::Timeout);
        let call = callee.call::<()>("wait", ()).deadline(Duration::from_secs(3600));
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        assert_eq!(from.elapsed(), 30 * MS);
    })
    .await;
}

// C-210: where the caller's deadline is the earlier one, the callee's limit changes nothing.
#[tokio::test(start_paused = true)]
async fn the_shorter_deadline_of_the_caller_counts() {
    let fake = waiting(&Gate::default());
    inline(builder(&fake), async |broker| {
        let lax = Limits::default().deadline(Duration::from_secs(5));
        let callee = broker.open("fake").limits(lax).await.unwrap();
        callee.eval::<()>("wait").await.unwrap();
        let _a = open(&broker, "a", "deep_caught").await;
        let from = Instant::now();
        let call = broker.call::<String>("deep_caught", ()).deadline(20 * MS);
        // The whole chain ends: there is nobody left to catch it.
        assert_eq!(kind(call.await), ErrorKind::Timeout);
        assert_eq!(from.elapsed(), 20 * MS);
    })
    .await;
}

// C-210: the limit covers the top level of a script too; without any, a call may take for ever.
#[tokio::test(start_paused = true)]
async fn the_limit_of_the_context_covers_its_loads() {
    let gate = Gate::default();
    let builder = builder(&waiting(&gate)).limits(Limits::default().deadline(30 * MS));
    inline(builder, async |broker| {
        let context = broker.open("fake").await.unwrap();
        let from = Instant::now();
        assert_eq!(kind(context.eval::<()>("!wait").await), ErrorKind::Timeout);
        assert_eq!(from.elapsed(), 30 * MS);

        let endless = Limits::default().deadline(None);
        let context = broker.open("fake").limits(endless).await.unwrap();
        let mut call = context.eval::<()>("!wait");
        start(&mut call).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        gate.open(2);
        call.await.unwrap();
    })
    .await;
}

// C-210: every one of many calls keeps its own deadline.
#[tokio::test(start_paused = true)]
async fn overlapping_calls_keep_their_own_deadlines() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "wait").await;
        let from = Instant::now();
        let calls = [40, 10, 30, 20].map(|ms| {
            let call = context.call::<()>("wait", ()).deadline(ms * MS);
            async move {
                assert_eq!(kind(call.await), ErrorKind::Timeout);
                assert_eq!(from.elapsed(), ms * MS);
            }
        });
        join_all(calls).await;
    })
    .await;
}

// C-210: a call that was never polled has not begun, and leaves no trace.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_first_poll_never_happens() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "wait one").await;
        let before = watch.begun();
        drop(context.call::<()>("wait", ()));
        drop(broker.call::<()>("wait", ()));
        drop(context.eval::<()>("!wait"));
        drop(context.function("wait").unwrap().call::<()>(()));
        settle().await;
        assert_eq!((watch.begun(), watch.cut()), (before, 0));
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// C-210: dropping the caller's future ends the call where it waits, on one worker.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cut_where_it_waits() {
    for name in ["wait", "fiber_wait"] {
        let gate = Gate::default();
        let fake = waiting(&gate);
        let watch = fake.watch();
        inline(builder(&fake), async |broker| {
            let context = open(&broker, "a", "wait fiber_wait one").await;
            let mut call = context.call::<()>(name, ());
            start(&mut call).await;
            gate.arrived(1).await;
            drop(call);
            settle().await;
            assert_eq!(watch.cut(), 1);
            assert_eq!(context.usage().await.unwrap().calls, 0);
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        })
        .await;
    }
}

// C-210: a call that is given up while it computes ends at its next wait, and its answer is nobody's.
#[test]
fn a_call_dropped_while_it_computes_is_cut_at_its_next_wait() {
    for name in ["ends", "waits"] {
        let blockade = Blockade::default();
        let (ends, waits) = (blockade.clone(), blockade.clone());
        let fake = Fake::new()
            .on("ends", move |_, _| {
                ends.block();
                async { Ok(Value::Nil) }
            })
            .on_fiber("waits", move |_, _| {
                waits.block();
                calog::fiber::block_on(std::future::pending::<()>())?;
                Ok(Value::Nil)
            })
            .on("one", |_, _| async { Ok(Value::Int(1)) });
        let watch = fake.watch();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let broker = threaded(builder(&fake), 1);
        let context = runtime.block_on(open(&broker, "a", "ends waits one"));
        let _lifted = Lifted(blockade.clone());
        let call = runtime.spawn(context.call::<()>(name, ()));
        blockade.reached();
        call.abort();
        assert!(runtime.block_on(within(call)).unwrap_err().is_cancelled());
        blockade.lift();
        assert_eq!(runtime.block_on(within(context.call::<i64>("one", ()))).unwrap(), 1);
        runtime.block_on(within(async {
            while context.usage().await.unwrap().calls > 0 {
                tokio::task::yield_now().await;
            }
        }));
        assert_eq!(watch.cut(), usize::from(name == "waits"));
    }
}

// C-210, C-138: and with it all that it has called, link by link, across workers.
#[tokio::test]
async fn a_dropped_call_takes_its_whole_chain_with_it() {
    for (name, workers) in [("far", 1), ("far", 3), ("fiber_far", 1), ("fiber_far", 3)] {
        let gate = Gate::default();
        let fake = waiting(&gate);
        let watch = fake.watch();
        let broker = threaded(builder(&fake), workers);
        within(async {
            let contexts = three(&broker).await;
            let call = tokio::spawn(broker.call::<()>(name, ()));
            gate.arrived(1).await;
            assert_eq!(contexts[0].usage().await.unwrap().calls, 1);
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            // The end travels from context to context; each one is asked until it has arrived.
            for context in &contexts {
                while context.usage().await.unwrap().calls > 0 {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(watch.cut(), 3);
            assert_eq!(broker.call::<i64>("one", ()).await.unwrap(), 1);
        })
        .await;
    }
}

// C-210: what waits for a native is dropped with the call: the native's future too.
#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_native_that_it_waits_for() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let gate = Gate::default();
    let dropped = Arc::new(AtomicUsize::new(0));
    let fake = Fake::new()
        .on("async", |env, _| async move { env.call("endless", ()).await })
        .on_fiber("fiber", |env, _| env.call_now("endless", ()));
    let (inside, counted) = (gate.clone(), dropped.clone());
    let builder = builder(&fake).native_async("endless", move || {
        let (pass, guard) = (inside.pass(), Count(counted.clone()));
        async move {
            pass.await;
            drop(guard);
        }
    });
    inline(builder, async |broker| {
        let context = open(&broker, "a", "async fiber").await;
        for (count, name) in [(1, "async"), (2, "fiber")] {
            let mut call = context.call::<()>(name, ());
            start(&mut call).await;
            gate.arrived(1).await;
            assert_eq!(dropped.load(SeqCst), count - 1);
            drop(call);
            settle().await;
            assert_eq!(dropped.load(SeqCst), count);
        }
    })
    .await;
}

// C-210: a script that is cancelled runs its handlers, in which every wait fails at once.
#[tokio::test(start_paused = true)]
async fn a_cancelled_script_unwinds_and_cannot_wait_any_more() {
    let gate = Gate::default();
    let inside = gate.clone();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    let fake = Fake::new()
        .on_fiber("stubborn", move |env, _| {
            let first = calog::fiber::block_on(inside.pass());
            let second = env.call_now("one", ());
            let kinds = [kind(first), kind(second)];
            log.lock().unwrap().extend(kinds);
            Ok(Value::Nil)
        })
        .on("one", |_, _| async { Ok(Value::Int(1)) });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "stubborn one").await;
        let mut call = context.call::<()>("stubborn", ());
        start(&mut call).await;
        gate.arrived(1).await;
        drop(call);
        settle().await;
        assert_eq!(*seen.lock().unwrap(), [ErrorKind::Cancelled, ErrorKind::Cancelled]);
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// C-210, C-138: callers that come and go at every moment leave nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_give_up_at_any_moment_leave_nothing_behind() {
    let fake = ping_pong();
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    let a = open(&broker, "a", "down fiber_down").await;
    let b = open(&broker, "b", "up fiber_up").await;
    let callers = (0..8u64).map(|caller| {
        let (a, b) = (a.clone(), b.clone());
        tokio::spawn(async move {
            for n in 0..100 {
                let (context, name) = if n % 2 == 0 { (&a, "fiber_down") } else { (&b, "up") };
                let mut call = context.call::<i64>(name, (20,));
                // A number of polls that differs from call to call, then it is dropped.
                for _ in 0..(caller + n) % 7 {
                    if futures::poll!(&mut call).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    within(join_all(callers)).await.into_iter().for_each(|caller| caller.unwrap());
    for context in [&a, &b] {
        within(async {
            while context.usage().await.unwrap().calls > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(watch.handles(), 4, "the four exports");
    assert_eq!(a.call::<i64>("down", (20,)).await.unwrap(), 21);
    assert_eq!(watch.begun(), watch.ended() + watch.cut());
}

// C-064: how values cross is chosen by broker, context or call, and a call's choice goes down its chain.
#[tokio::test(start_paused = true)]
async fn the_fidelity_of_a_call_goes_down_its_chain() {
    fn shown(env: &Env) -> Value {
        format!("{:?}", env.scope().fidelity()).into()
    }
    let fake = Fake::new().on("own", |env, _| async move { Ok(shown(&env)) }).on(
        "both",
        |env, _| async move {
            let below = env.call("own", ()).await?;
            Ok(Value::list([shown(&env), below]))
        },
    );
    inline(builder(&fake).fidelity(Fidelity::Lenient), async |broker| {
        let _lenient = open(&broker, "a", "own").await;
        let strict = broker.open("fake").fidelity(Fidelity::Strict).await.unwrap();
        strict.eval::<()>("both").await.unwrap();
        let both = |wish: Option<Fidelity>| {
            let call = strict.call::<[String; 2]>("both", ());
            match wish {
                Some(fidelity) => call.fidelity(fidelity),
                None => call,
            }
        };
        let pair = |a: &str, b: &str| [a.to_string(), b.to_string()];
        assert_eq!(both(None).await.unwrap(), pair("Strict", "Lenient"));
        let chosen = both(Some(Fidelity::Lenient)).await.unwrap();
        assert_eq!(chosen, pair("Lenient", "Lenient"));
        let chosen = both(Some(Fidelity::Strict)).await.unwrap();
        assert_eq!(chosen, pair("Strict", "Strict"));
        // The choice was that call's alone.
        assert_eq!(both(None).await.unwrap(), pair("Strict", "Lenient"));
    })
    .await;
}

// C-103: calls that fail leave nothing behind, however many they are.
#[tokio::test(start_paused = true)]
async fn failing_calls_leak_nothing() {
    let fake = Fake::new()
        .on("fails", |_, _| async { Err(calog::Error::raised("as it should")) })
        .on_fiber("fiber_fails", |env, _| env.call_now("fails", ()));
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "fails fiber_fails").await;
        for _ in 0..5_000 {
            let error = context.call::<()>("fiber_fails", ()).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "as it should"));
        }
        let usage = context.usage().await.unwrap();
        assert_eq!((usage.calls, usage.handles), (0, 2));
    })
    .await;
    assert_eq!(watch.cut(), 0);
}

// C-128, C-129: an error crosses contexts with kind, message and payload, and can be caught on the way.
#[tokio::test(start_paused = true)]
async fn an_error_crosses_contexts_unchanged() {
    let fake = Fake::new()
        .on("fails", |_, _| async {
            let payload = Value::map([("code", 7)]);
            Err(calog::Error::new(ErrorKind::Io, "disk full").with_payload(payload))
        })
        .on("through", |env, _| async move { env.call("fails", ()).await })
        .on("caught", |env, _| async move {
            let error = env.call("through", ()).await.unwrap_err();
            Ok(error.message().into())
        });
    inline(builder(&fake), async |broker| {
        let _a = open(&broker, "a", "fails").await;
        let _b = open(&broker, "b", "through").await;
        let _c = open(&broker, "c", "caught").await;
        let error = broker.call::<()>("through", ()).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "disk full"));
        assert_eq!(*error.payload(), Value::map([("code", 7)]));
        assert_eq!(broker.call::<String>("caught", ()).await.unwrap(), "disk full");
    })
    .await;
}

// C-183: a name that nobody exports, one that is data, and one that is a native.
#[tokio::test(start_paused = true)]
async fn a_name_that_cannot_be_called_says_why() {
    let fake = Fake::new()
        .on("publish", |env, _| async move {
            env.expose("data.list", Value::list([1]))?;
            Ok(Value::Nil)
        })
        .on("calls", |env, args| async move { env.call(args[0].as_str().unwrap(), ()).await });
    inline(builder(&fake).native("native", || 1), async |broker| {
        let context = open(&broker, "a", "publish calls").await;
        context.call::<()>("publish", ()).await.unwrap();
        let from_script = |name: &str| context.call::<Value>("calls", (name.to_string(),));
        for (name, from_the_host) in [
            ("nobody", ErrorKind::NotFound),
            ("data.list", ErrorKind::Type),
            ("data", ErrorKind::NotFound),
            ("native", ErrorKind::Unsupported),
        ] {
            assert_eq!(kind(broker.call::<Value>(name, ()).await), from_the_host, "{name}");
        }
        assert_eq!(kind(from_script("nobody").await), ErrorKind::NotFound);
        assert_eq!(kind(from_script("data.list").await), ErrorKind::Type);
        assert_eq!(kind(from_script("data").await), ErrorKind::NotFound);
        assert_eq!(from_script("native").await.unwrap(), Value::Int(1));
        assert_eq!(kind(context.call::<Value>("data.list", ()).await), ErrorKind::Type);
        assert_eq!(broker.export("data.list").unwrap(), Value::list([1]));
    })
    .await;
}

// C-101: a result that is not what the caller asked for is the caller's error, and names the place.
#[tokio::test(start_paused = true)]
async fn arguments_and_results_are_converted_with_a_path() {
    let fake = Fake::new().on("same", |_, args| async move { Ok(Value::list(args)) });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "same").await;
        let same: Value = context.call("same", (1, "x")).await.unwrap();
        assert_eq!(same, Value::list([Value::from(1), "x".into()]));
        let error = context.call::<Vec<i64>>("same", (1, "x")).await.unwrap_err();
        assert_eq!(error.message(), "result[2]: expected int, got string");
        let error = context.call::<Value>("same", (1, u64::MAX)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Range);
        assert!(error.message().starts_with("args[2]: "), "{error}");
        assert_eq!(context.usage().await.unwrap().calls, 0);
    })
    .await;
}

// C-118: a callback that waits inside of a callback of another context ends as plain code would.
#[tokio::test(start_paused = true)]
async fn callbacks_inside_of_callbacks_run_on_their_owners() {
    let fake = Fake::new()
        .on("outer", |env, _| async move {
            let here = env.id().as_u64() as i64;
            let callback = env.function(move |env, args| async move {
                assert_eq!(env.id().as_u64() as i64, here);
                let twice = args[0].as_function().unwrap().clone();
                env.apply(&twice, (21,)).await
            });
            env.call("apply", (callback,)).await
        })
        .on("apply", |env, args| async move {
            let here = env.id();
            let twice = env.function(move |env, args| async move {
                assert_eq!(env.id(), here);
                Ok(Value::Int(2 * int(&args)))
            });
            let callback: Function = args[0].as_function().unwrap().clone();
            env.apply(&callback, (twice,)).await
        });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "outer").await;
        let _b = open(&broker, "b", "apply").await;
        let calls = try_join_all((0..50).map(|_| a.call::<i64>("outer", ()))).await.unwrap();
        assert!(calls.iter().all(|result| *result == 42));
        settle().await;
        assert_eq!(watch.handles(), 2, "no callback is left");
    })
    .await;
}
