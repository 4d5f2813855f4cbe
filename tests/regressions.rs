//! Defects that were once there, one test each, so that none comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;
use calog::{Error, ErrorKind, Function, Limits, Value};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;
use tokio::task::LocalSet;

fn waiting(gate: &Gate) -> Fake {
    let inside = gate.clone();
    Fake::new()
        .on("wait", move |_, _| {
            let pass = inside.pass();
            async move {
                pass.await;
                Ok(Value::Nil)
            }
        })
        .on("one", |_, _| async { Ok(Value::Int(1)) })
        .on("two", |_, _| async { Ok(Value::Int(2)) })
        .on("relay", |env, args| async move {
            env.expose("relayed", args[0].clone())?;
            Ok(Value::Nil)
        })
        .on("publish", |env, args| async move {
            env.expose(args[0].as_str().unwrap(), args[1].clone())?;
            Ok(Value::Nil)
        })
        .on("dial", |env, mut args| async move {
            let name = args.remove(0);
            env.call(name.as_str().unwrap(), args).await
        })
}

// B01 C-135, C-022: an export that is a function of another context runs on that one.
#[tokio::test(start_paused = true)]
async fn b01_a_relayed_export_runs_on_its_owner() {
    let fake = waiting(&Gate::default());
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "one").await;
        let b = open(&broker, "b", "relay two").await;
        // The same key names `one` in a and `relay` in b.
        let one = a.function("one").unwrap();
        b.call::<()>("relay", (one,)).await.unwrap();
        assert_eq!(broker.call::<i64>("relayed", ()).await.unwrap(), 1);
        assert_eq!(b.function("relayed").unwrap().call::<i64>(()).await.unwrap(), 1);
        assert_eq!(b.call::<i64>("relayed", ()).await.unwrap(), 1, "b.call runs a key of a in b");
    })
    .await;
}

// B01b the same with post.
#[tokio::test(start_paused = true)]
async fn b01b_a_relayed_export_is_posted_to_its_owner() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let fake = waiting(&Gate::default()).on("who", move |env, _| {
        log.lock().unwrap().push(env.id());
        async { Ok(Value::Nil) }
    });
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "who").await;
        let b = open(&broker, "b", "relay two").await;
        b.call::<()>("relay", (a.function("who").unwrap(),)).await.unwrap();
        b.post("relayed", ()).unwrap();
        settle().await;
        assert_eq!(*seen.lock().unwrap(), [a.id()]);
    })
    .await;
}

// B02 C-210: a call that is given up while it is queued never begins.
#[tokio::test(start_paused = true)]
async fn b02_a_call_dropped_in_the_queue_never_begins() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let fake = Fake::new().on("effect", move |_, _| {
        count.fetch_add(1, SeqCst);
        async { Ok(Value::Nil) }
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "effect").await;
        let before = watch.begun();
        // Behind a post, so that it does not begin at once.
        context.post("effect", ()).unwrap();
        let mut call = context.call::<()>("effect", ());
        start(&mut call).await;
        drop(call);
        settle().await;
        assert_eq!((ran.load(SeqCst), watch.begun()), (1, before + 1), "the post alone");
    })
    .await;
}

// B03 C-210: a deadline counts from the first poll, also while the call waits for room.
#[tokio::test(start_paused = true)]
async fn b03_a_deadline_covers_the_wait_for_room() {
    let gate = Gate::default();
    let fake = waiting(&gate);
    inline(builder(&fake), async |broker| {
        let limits = Limits::default().concurrent_calls(1);
        let context = broker.open("fake").limits(limits).await.unwrap();
        context.eval::<()>("wait one").await.unwrap();
        let mut first = context.call::<()>("wait", ());
        start(&mut first).await;
        let from = tokio::time::Instant::now();
        let second = context.call::<i64>("one", ()).deadline(Duration::from_millis(50));
        assert_eq!(kind(second.await), ErrorKind::Timeout);
        assert_eq!(from.elapsed(), Duration::from_millis(50));
    })
    .await;
}

// B04 a deadline too far away to be represented is none; no panic on any input.
#[tokio::test(start_paused = true)]
async fn b04_the_longest_deadline_is_no_panic() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "one").await;
        let call = context.call::<i64>("one", ()).deadline(Duration::MAX);
        assert_eq!(call.await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b04b_the_longest_limit_is_no_panic() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let limits = Limits::default().deadline(Duration::MAX);
        let context = broker.open("fake").limits(limits).await.unwrap();
        assert_eq!(context.eval::<i64>("!one").await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b04c_the_longest_shutdown_is_no_panic() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        broker.shutdown(Duration::MAX).await.unwrap();
    })
    .await;
}

// B05 C-116, C-209: a blocking native that calls back continues the chain as well.
#[tokio::test]
async fn b05_a_blocking_native_that_calls_back_continues_the_chain() {
    let fake = Fake::new().on("down", |env, args| async move {
        let n = args[0].as_int().unwrap();
        if n == 0 {
            return Ok(Value::Int(0));
        }
        let me = env.function(move |env, _| async move { env.call("down", (n - 1,)).await });
        env.call("apply", (me,)).await
    });
    let handle = tokio::runtime::Handle::current();
    let build = builder(&fake)
        .native_blocking("apply", move |f: Function| handle.block_on(f.call::<Value>(())))
        .limits(Limits::default().depth(6).concurrent_calls(1));
    let broker = threaded(build, 1);
    let context = open(&broker, "a", "down").await;
    // Each step is two calls; without the chain there is no room for the first callback.
    let call = tokio::time::timeout(Duration::from_secs(3), context.call::<i64>("down", (2,)));
    assert_eq!(call.await.expect("it hangs").unwrap(), 0);
    let call = tokio::time::timeout(Duration::from_secs(3), context.call::<i64>("down", (9,)));
    assert_eq!(kind(call.await.expect("it hangs")), ErrorKind::Depth);
}

// B06 C-142: a host call that is already queued fails when the host is dropped.
#[tokio::test(start_paused = true)]
async fn b06_calls_in_the_queue_of_a_dropped_host_fail() {
    let fake = waiting(&Gate::default());
    let local = LocalSet::new();
    let (broker, host) =
        builder(&fake).native_host("host", || ()).build_inline_with_host(&local).unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "dial").await;
            let mut call = context.call::<()>("dial", ("host",));
            start(&mut call).await;
            settle().await;
            drop(host);
            assert_eq!(kind(call.await), ErrorKind::Shutdown);
        }))
        .await;
}

// B07 C-137: calls that reached a context whose engine then fails to open are answered.
#[test]
fn b07_calls_to_a_context_that_does_not_open_are_answered() {
    let blockade = Blockade::default();
    let blocked = blockade.clone();
    let fake = waiting(&Gate::default()).hook(move |entry, _| {
        if entry == Entry::Open {
            blocked.block();
            return Err(Error::raised("no"));
        }
        Ok(())
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = threaded(builder(&fake), 1);
    let _lifted = Lifted(blockade.clone());
    let opening = runtime.spawn(broker.open("fake").into_future());
    blockade.reached();
    let context = broker.contexts().pop().expect("it is listed while it opens");
    let mut call = context.eval::<()>("one");
    runtime.block_on(start(&mut call));
    let usage = runtime.spawn({
        let context = context.clone();
        async move { context.usage().await }
    });
    blockade.lift();
    assert_eq!(kind(runtime.block_on(opening).unwrap()), ErrorKind::Raised);
    let call = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), call).await });
    assert_eq!(kind(call.expect("the call is never answered")), ErrorKind::Dead);
    let usage =
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), usage).await });
    assert_eq!(kind(usage.expect("usage is never answered").unwrap()), ErrorKind::Dead);
}

// B08 C-207: an engine that panics before it returns a future is an error of that call.
#[tokio::test(start_paused = true)]
async fn b08_an_engine_that_panics_at_the_start_of_a_call() {
    let panics = Arc::new(Mutex::new(None));
    let now = panics.clone();
    let fake = waiting(&Gate::default()).hook(move |entry, _| {
        assert!(*now.lock().unwrap() != Some(entry), "the engine broke at {entry:?}");
        Ok(())
    });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "one").await;
        for entry in [Entry::Call, Entry::Load] {
            *panics.lock().unwrap() = Some(entry);
            let result = match entry {
                Entry::Call => context.call::<i64>("one", ()).await,
                _ => context.eval::<i64>("!one").await,
            };
            assert_eq!(kind(result), ErrorKind::Panicked, "{entry:?}");
            *panics.lock().unwrap() = None;
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        }
    })
    .await;
}

// B08b: a panic in `release` takes no other call of the context down.
#[tokio::test(start_paused = true)]
async fn b08b_an_engine_that_panics_in_release() {
    let fake = waiting(&Gate::default())
        .on(
            "make",
            |env, _| async move { Ok(env.function(|_, _| async { Ok(Value::Nil) }).into()) },
        )
        .hook(|entry, _| {
            assert!(entry != Entry::Release, "the engine broke at {entry:?}");
            Ok(())
        });
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "make one").await;
        let function: Function = context.call("make", ()).await.unwrap();
        drop(function);
        settle().await;
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
    })
    .await;
}

// B09 C-137: an open that is given up after the engine has started leaves no context running.
#[tokio::test(start_paused = true)]
async fn b09_an_open_that_is_given_up_leaves_no_context() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let mut opening = broker.open("fake").into_future();
        start(&mut opening).await;
        settle().await;
        assert_eq!(watch.interpreters(), 1);
        drop(opening);
        settle().await;
        assert!(broker.contexts().is_empty());
        assert_eq!(watch.interpreters(), 0, "nobody knows the context, so it must end");
    })
    .await;
}

// B09b: and no names of it.
#[tokio::test(start_paused = true)]
async fn b09b_an_open_that_is_given_up_leaves_no_names() {
    let fake = waiting(&Gate::default()).hook(|entry, scope| {
        if entry == Entry::Open {
            scope.expose("early", Value::Int(1))?;
        }
        Ok(())
    });
    inline(builder(&fake), async |broker| {
        let mut opening = broker.open("fake").into_future();
        start(&mut opening).await;
        drop(opening);
        settle().await;
        assert_eq!(broker.export("early"), None);
    })
    .await;
}

// B10 C-139: a context that opens while the broker shuts down does not survive it.
#[tokio::test(start_paused = true)]
async fn b10_nothing_opens_during_a_shutdown() {
    let fake = waiting(&Gate::default());
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let _a = open(&broker, "a", "one").await;
        let mut shutdown = Box::pin(broker.shutdown(TIMEOUT));
        start(&mut shutdown).await;
        let opened = broker.open("fake").into_future();
        let (ended, opened) = futures::join!(shutdown, opened);
        ended.unwrap();
        assert_eq!(opened.map(drop).map_err(|e| e.kind()), Err(ErrorKind::Shutdown));
        settle().await;
        assert_eq!((watch.interpreters(), broker.contexts().len()), (0, 0));
    })
    .await;
}

// B11 C-139: a shutdown that was polled once takes place, also for what is opened later.
#[tokio::test(start_paused = true)]
async fn b11_a_shutdown_that_was_polled_once_takes_place() {
    let fake = waiting(&Gate::default());
    inline(builder(&fake), async |broker| {
        let _a = open(&broker, "a", "one").await;
        let mut shutdown = Box::pin(broker.shutdown(TIMEOUT));
        start(&mut shutdown).await;
        drop(shutdown);
        settle().await;
        assert!(broker.contexts().is_empty());
        assert_eq!(kind(broker.open("fake").await), ErrorKind::Shutdown);
    })
    .await;
}

// B12 C-139: the drop of the last broker is a shutdown: what is open is answered so, every time.
#[tokio::test]
async fn b12_the_drop_of_the_last_broker_answers_with_shutdown() {
    for _ in 0..100 {
        let gate = Gate::default();
        let fake = waiting(&gate);
        let broker = threaded(builder(&fake), 1);
        let context = open(&broker, "a", "wait").await;
        let call = tokio::spawn(context.call::<()>("wait", ()));
        gate.arrived(1).await;
        drop(broker);
        assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
    }
}

// B13 after a shutdown the kind is `shutdown`, whatever is tried.
#[tokio::test(start_paused = true)]
async fn b13_after_a_shutdown_every_error_is_shutdown() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "one").await;
        broker.shutdown(TIMEOUT).await.unwrap();
        let kinds = [
            kind(context.call::<()>("one", ()).await),
            kind(context.post("one", ())),
            kind(context.function("one")),
            kind(context.usage().await),
            kind(context.eval::<()>("").await),
            kind(broker.context(context.id())),
        ];
        assert_eq!(kinds, [ErrorKind::Shutdown; 6]);
    })
    .await;
}

// B14 C-107: a handler of failures that panics costs no other call its answer.
#[tokio::test(start_paused = true)]
async fn b14_a_failure_handler_that_panics_costs_nobody_his_answer() {
    let gate = Gate::default();
    let fake = waiting(&gate).on("fails", |_, _| async { Err(Error::raised("x")) });
    let builder = builder(&fake).on_failure(|_| panic!("the handler broke"));
    inline(builder, async |broker| {
        let context = open(&broker, "a", "fails wait one").await;
        context.post("fails", ()).unwrap();
        settle().await;
        assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1, "the context lives on");
        context.post("wait", ()).unwrap();
        let mut calls = [context.call::<()>("wait", ()), context.call::<()>("wait", ())];
        for call in &mut calls {
            start(call).await;
        }
        context.post("wait", ()).unwrap();
        gate.arrived(4).await;
        context.close().await;
        for call in calls {
            assert_eq!(kind(call.await), ErrorKind::Dead);
        }
    })
    .await;
}

// B14b the same with what is queued only.
#[tokio::test(start_paused = true)]
async fn b14b_a_failure_handler_that_panics_does_not_stop_the_close() {
    let fake = waiting(&Gate::default());
    let builder = builder(&fake).on_failure(|_| panic!("the handler broke"));
    inline(builder, async |broker| {
        let context = open(&broker, "a", "one").await;
        context.post("one", ()).unwrap();
        let mut call = context.call::<i64>("one", ());
        start(&mut call).await;
        context.close().await;
        assert_eq!(kind(call.await), ErrorKind::Dead);
        assert!(broker.contexts().is_empty());
    })
    .await;
}

// B15 C-107: an open whose `LocalSet` is dropped before it was driven is answered.
#[tokio::test(start_paused = true)]
async fn b15_an_open_whose_local_set_is_dropped_is_answered() {
    let fake = waiting(&Gate::default());
    let local = LocalSet::new();
    let broker = builder(&fake).build_inline(&local).unwrap();
    let mut opening = broker.open("fake").into_future();
    start(&mut opening).await;
    drop(local);
    assert_eq!(kind(within(opening).await), ErrorKind::Shutdown);
    assert!(broker.contexts().is_empty());
}

// B16 C-141: the namespace of a native belongs to the natives.
#[tokio::test(start_paused = true)]
async fn b16_the_namespace_of_a_native_cannot_be_taken() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "publish").await;
        let expose = context.call::<()>("publish", ("fs", 1));
        assert_eq!(kind(expose.await), ErrorKind::Denied, "`fs` would hide `fs.read`");
        let expose = context.call::<()>("publish", ("fs.read.more", 1));
        assert_eq!(kind(expose.await), ErrorKind::Denied, "no member of a native can be reached");
    })
    .await;
}

// B17: a name is one that every language can write.
#[tokio::test(start_paused = true)]
async fn b17_names_are_ascii() {
    inline(builder(&waiting(&Gate::default())), async |broker| {
        let context = open(&broker, "a", "publish").await;
        assert_eq!(kind(context.call::<()>("publish", ("größe", 1)).await), ErrorKind::Type);
    })
    .await;
}

// B18 C-156: a function of another broker cannot be exported, so that no call of it is misrouted.
#[tokio::test(start_paused = true)]
async fn b18_a_function_of_another_broker_cannot_be_exported() {
    let local = LocalSet::new();
    local
        .run_until(within(async {
            let left = builder(&waiting(&Gate::default())).build_inline(&local).unwrap();
            let stranger = open(&left, "a", "one").await.function("one").unwrap();
            let hold = Mutex::new(Some(stranger));
            let fake = Fake::new().on("publish", move |env, _| {
                let stranger = hold.lock().unwrap().take().unwrap();
                async move { env.expose("stranger", stranger).map(|()| Value::Nil) }
            });
            let right = builder(&fake).build_inline(&local).unwrap();
            let b = open(&right, "b", "publish").await;
            assert_eq!(kind(b.call::<Value>("publish", ()).await), ErrorKind::Unsupported);
        }))
        .await;
}

// B19: a shutdown that timed out does not forget the threads that it still has to join.
#[test]
fn b19_a_second_shutdown_joins_what_the_first_could_not() {
    thread_local! {
        static SLOW: std::cell::RefCell<Option<Slow>> = const { std::cell::RefCell::new(None) };
    }
    struct Slow(Blockade, Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.block();
            self.1.store(true, SeqCst);
        }
    }
    // Blocks the worker after its contexts have ended: a context of its own task holds it.
    let blockade = Blockade::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (slow, done) = (blockade.clone(), ended.clone());
    let fake = waiting(&Gate::default()).on("slow_end", move |_, _| {
        let slow = Slow(slow.clone(), done.clone());
        async move {
            // A task of the worker's `LocalSet` that is dropped with it.
            tokio::task::spawn_local(async move {
                let _slow = slow;
                std::future::pending::<()>().await;
            });
            Ok(Value::Nil)
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = threaded(builder(&fake), 1);
    runtime.block_on(open(&broker, "a", "!slow_end"));
    let _lifted = Lifted(blockade.clone());
    let early = runtime.block_on(broker.shutdown(Duration::from_millis(50)));
    assert_eq!(kind(early), ErrorKind::Timeout);
    let again = runtime.block_on(broker.shutdown(Duration::from_millis(50)));
    assert_eq!(kind(again), ErrorKind::Timeout, "the worker has not ended yet");
    blockade.lift();
    runtime.block_on(broker.shutdown(TIMEOUT)).unwrap();
    assert!(ended.load(SeqCst));
}

// B20 C-137: a call by name that races with the close is `dead`, never `not_found`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b20_a_call_by_name_that_races_with_the_close_is_dead() {
    let fake = waiting(&Gate::default());
    let broker = threaded(builder(&fake), 1);
    for _ in 0..300 {
        let context = open(&broker, "a", "one").await;
        let caller = {
            let context = context.clone();
            tokio::spawn(async move {
                loop {
                    if let Err(error) = context.call::<i64>("one", ()).await {
                        return error.kind();
                    }
                }
            })
        };
        within(context.close()).await;
        assert_eq!(within(caller).await.unwrap(), ErrorKind::Dead);
    }
}

// B21 C-137: what a call does while it is ended with its worker finds the worker's runtime: a timer
// that finds none panics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b21_a_call_that_ends_with_its_worker_still_has_its_runtime() {
    struct Look(Arc<Mutex<Vec<bool>>>);
    impl Drop for Look {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(tokio::runtime::Handle::try_current().is_ok());
        }
    }
    const ROUNDS: usize = 20;
    let looks = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..ROUNDS {
        let (gate, seen) = (Gate::default(), looks.clone());
        let inside = gate.clone();
        let fake = Fake::new().on("wait", move |_, _| {
            let (pass, look) = (inside.pass(), Look(seen.clone()));
            async move {
                let _look = look;
                pass.await;
                Ok(Value::Nil)
            }
        });
        let broker = threaded(builder(&fake), 1);
        let call = tokio::spawn(open(&broker, "a", "wait").await.call::<()>("wait", ()));
        gate.arrived(1).await;
        drop(broker);
        assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
    }
    assert_eq!(*looks.lock().unwrap(), [true; ROUNDS]);
}
