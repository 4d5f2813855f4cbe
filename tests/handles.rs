//! Function handles: counted, called and released on their owner's worker, harmless when it is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{ErrorKind, Function, Value};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use support::*;

/// `make` returns a fresh closure that doubles; `apply` calls what it is given; `keep` and `drop` hold
/// a function in the interpreter.
fn closures() -> Fake {
    Fake::new()
        .on("make", |env, _| async move {
            let twice = env
                .function(|_, args| async move { Ok(Value::Int(2 * args[0].as_int().unwrap())) });
            Ok(twice.into())
        })
        .on(
            "apply",
            |env, args| async move { env.apply(args[0].as_function().unwrap(), (21,)).await },
        )
        .on("borrow", |env, _| async move {
            let callback = env.function(|_, args| async move { Ok(args[0].clone()) });
            env.call("apply", (callback,)).await
        })
        .on("keep", |env, args| async move {
            env.keep("kept", args[0].clone());
            Ok(Value::Nil)
        })
        .on("use", |env, _| async move {
            let kept = env.kept("kept").unwrap();
            env.apply(kept.as_function().unwrap(), (4,)).await
        })
        .on("drop", |env, _| async move {
            env.keep("kept", Value::Nil);
            Ok(Value::Nil)
        })
}

// C-013, C-024, C-025: clones share one handle, and only the last drop releases it.
#[tokio::test(start_paused = true)]
async fn clones_share_a_handle_and_the_last_drop_releases_it() {
    let fake = closures();
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "make").await;
        let first: Function = context.call("make", ()).await.unwrap();
        settle().await;
        assert_eq!(watch.handles(), 2, "the export and the closure");
        let clones: Vec<_> = (0..100).map(|_| first.clone()).collect();
        let in_values = Value::list([Value::from(first.clone()), first.clone().into()]);
        assert_eq!(watch.handles(), 2, "a clone makes no closure");
        assert!(clones.iter().all(|clone| *clone == first));
        drop(first);
        drop(clones);
        settle().await;
        assert_eq!(watch.handles(), 2, "the values still hold it");
        drop(in_values);
        settle().await;
        assert_eq!(watch.handles(), 1);
        assert_eq!(context.usage().await.unwrap().handles, 1);
    })
    .await;
}

// C-022, C-025, C-026, C-034: called and dropped from the main thread, it runs and is released on the
// owner's worker. (The watch fails if any other thread touches the interpreter.)
#[tokio::test]
async fn a_foreign_thread_calls_and_releases_on_the_owners_worker() {
    let released_on = Arc::new(Mutex::new(Vec::new()));
    let log = released_on.clone();
    let fake = closures().hook(move |entry, _| {
        if entry == Entry::Release {
            log.lock().unwrap().push(std::thread::current().name().unwrap().to_string());
        }
        Ok(())
    });
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    within(async {
        let context = broker.open("fake").worker(1).await.unwrap();
        context.eval::<()>("make").await.unwrap();
        let function: Function = context.call("make", ()).await.unwrap();
        assert_eq!(function.call::<i64>((4,)).await.unwrap(), 8);
        assert!(released_on.lock().unwrap().is_empty());
        std::thread::spawn(move || drop(function)).join().unwrap();
        while context.usage().await.unwrap().handles > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(*released_on.lock().unwrap(), ["calog-1"]);
    broker.shutdown(TIMEOUT).await.unwrap();
    assert_eq!((watch.handles(), watch.interpreters()), (0, 0));
}

// C-026: the drop does not wait for the owner, not even if its worker is busy.
#[test]
fn a_drop_does_not_wait_for_a_busy_owner() {
    let blockade = Blockade::default();
    let blocked = blockade.clone();
    let fake = closures().on("block", move |_, _| {
        let blocked = blocked.clone();
        async move {
            blocked.block();
            Ok(Value::Nil)
        }
    });
    let watch = fake.watch();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = threaded(builder(&fake), 1);
    let context = runtime.block_on(open(&broker, "a", "make block"));
    let functions: Vec<Function> =
        (0..10).map(|_| runtime.block_on(context.call("make", ())).unwrap()).collect();
    let _lifted = Lifted(blockade.clone());
    let call = runtime.spawn(context.call::<()>("block", ()));
    blockade.reached();
    drop(functions);
    assert_eq!(watch.handles(), 12, "nothing is released while the worker is busy");
    blockade.lift();
    runtime.block_on(within(call)).unwrap().unwrap();
    runtime.block_on(within(broker.shutdown(TIMEOUT))).unwrap();
    assert_eq!(watch.handles(), 0);
}

// C-027, C-028: after the owner has closed, a call is `dead` and a drop does nothing at all.
#[tokio::test(start_paused = true)]
async fn a_handle_that_outlives_its_owner_is_harmless() {
    let releases = Arc::new(AtomicUsize::new(0));
    let count = releases.clone();
    let fake = closures().hook(move |entry, _| {
        count.fetch_add(usize::from(entry == Entry::Release), SeqCst);
        Ok(())
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "make").await;
        let user = open(&broker, "b", "apply=apply keep=keep use=use drop=drop").await;
        let function: Function = context.call("make", ()).await.unwrap();
        let export = context.function("make").unwrap();
        user.call::<()>("keep", (function.clone(),)).await.unwrap();
        context.close().await;
        let before = releases.load(SeqCst);
        assert_eq!(watch.interpreters(), 1);
        assert_eq!(kind(function.call::<Value>((1,)).await), ErrorKind::Dead);
        assert_eq!(kind(export.call::<Value>(()).await), ErrorKind::Dead);
        // The same from a script, where it is an error like any other.
        assert_eq!(kind(user.call::<Value>("apply", (function.clone(),)).await), ErrorKind::Dead);
        assert_eq!(kind(user.call::<Value>("use", ()).await), ErrorKind::Dead);
        drop((function, export));
        user.call::<()>("drop", ()).await.unwrap();
        settle().await;
        assert_eq!(releases.load(SeqCst), before, "nothing was posted to anybody");
    })
    .await;
}

// C-028, C-135: a dead handle stays dead when another context gets the slot, with the same keys.
#[tokio::test(start_paused = true)]
async fn a_dead_handle_never_reaches_the_successor_of_its_owner() {
    let fake = closures();
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let first = open(&broker, "a", "make").await;
        let function: Function = first.call("make", ()).await.unwrap();
        first.close().await;
        let second = open(&broker, "b", "make").await;
        assert_eq!(second.id().slot(), first.id().slot());
        let other: Function = second.call("make", ()).await.unwrap();
        assert_eq!((other.key(), other == function), (function.key(), false));
        assert_eq!(kind(function.call::<Value>((1,)).await), ErrorKind::Dead);
        // Nor does its drop release the namesake.
        drop(function);
        settle().await;
        assert_eq!(watch.handles(), 2);
        assert_eq!(other.call::<i64>((1,)).await.unwrap(), 2);
    })
    .await;
}

// C-027: a handle may also outlive the whole broker.
#[tokio::test]
async fn a_handle_that_outlives_its_broker_is_harmless() {
    let broker = threaded(builder(&closures()), 1);
    let context = open(&broker, "a", "make").await;
    let function: Function = context.call("make", ()).await.unwrap();
    broker.shutdown(TIMEOUT).await.unwrap();
    drop(broker);
    assert_eq!(kind(within(function.call::<Value>((1,))).await), ErrorKind::Shutdown);
    drop(function);
}

// C-033: a function that is lent for one call is released when that call has ended. 100,000 times.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_fresh_callbacks_leave_the_handle_count_flat() {
    let fake = closures().on("borrow_often", |env, args| async move {
        for _ in 0..args[0].as_int().unwrap() {
            let callback = env.function(|_, args| async move { Ok(args[0].clone()) });
            assert_eq!(env.call("apply", (callback,)).await?, Value::Int(21));
        }
        Ok(Value::Nil)
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "borrow_often").await;
        let _b = open(&broker, "b", "apply").await;
        for _ in 0..100 {
            a.call::<()>("borrow_often", (1_000,)).await.unwrap();
            // The last one may be on its way to its release still; no more.
            assert!(watch.handles() <= 3, "two exports, but there are {}", watch.handles());
        }
        settle().await;
        assert_eq!(watch.handles(), 2);
        assert_eq!(a.usage().await.unwrap().handles, 1);
    })
    .await;
}

// C-033: the same across workers, where releases are messages.
#[tokio::test]
async fn callbacks_across_workers_are_all_released() {
    let fake = closures();
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    within(async {
        let a = broker.open("fake").worker(0).await.unwrap();
        a.eval::<()>("borrow").await.unwrap();
        let b = broker.open("fake").worker(1).await.unwrap();
        b.eval::<()>("apply").await.unwrap();
        for _ in 0..1_000 {
            assert_eq!(a.call::<i64>("borrow", ()).await.unwrap(), 21);
        }
        while a.usage().await.unwrap().handles > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(watch.handles(), 2);
    })
    .await;
}

// C-033, C-193: what the callee keeps lives on after the call, and an export as long as it is one.
#[tokio::test(start_paused = true)]
async fn what_is_kept_or_exported_lives_on() {
    let fake = closures().on("export_closure", |env, _| async move {
        let export = env.function(|_, _| async { Ok("exported".into()) });
        env.expose("closure", export)?;
        Ok(Value::Nil)
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "make export_closure").await;
        let b = open(&broker, "b", "keep use drop").await;
        let function: Function = a.call("make", ()).await.unwrap();
        b.call::<()>("keep", (function,)).await.unwrap();
        settle().await;
        let exports = 5;
        assert_eq!(watch.handles(), exports + 1);
        assert_eq!(b.call::<i64>("use", ()).await.unwrap(), 8);
        b.call::<()>("drop", ()).await.unwrap();
        settle().await;
        assert_eq!(watch.handles(), exports);

        a.call::<()>("export_closure", ()).await.unwrap();
        settle().await;
        assert_eq!(watch.handles(), exports + 1);
        assert_eq!(broker.call::<String>("closure", ()).await.unwrap(), "exported");
        // A later export of the same name takes the place; the first closure is released.
        a.call::<()>("export_closure", ()).await.unwrap();
        settle().await;
        assert_eq!(watch.handles(), exports + 1);
        assert_eq!(a.usage().await.unwrap().handles, 3);
    })
    .await;
}

// C-033: a call holds its function, even if every other handle goes while it waits.
#[tokio::test(start_paused = true)]
async fn a_running_call_holds_its_function() {
    let gate = Gate::default();
    let inside = gate.clone();
    let fake = Fake::new().on("make", move |env, _| {
        let gate = inside.clone();
        async move {
            let waits = env.function(move |_, _| {
                let pass = gate.pass();
                async move {
                    pass.await;
                    Ok("ended".into())
                }
            });
            Ok(waits.into())
        }
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "make").await;
        let function: Function = context.call("make", ()).await.unwrap();
        let mut call = function.call::<String>(());
        start(&mut call).await;
        drop(function);
        gate.arrived(1).await;
        settle().await;
        assert_eq!(watch.handles(), 2);
        gate.open(1);
        assert_eq!(call.await.unwrap(), "ended");
        settle().await;
        assert_eq!(watch.handles(), 1);
    })
    .await;
}

// C-033: arguments that never arrive release their functions too: not called, cancelled, refused.
#[tokio::test(start_paused = true)]
async fn arguments_that_never_arrive_are_released() {
    let fake = closures();
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let a = open(&broker, "a", "make").await;
        let b = open(&broker, "b", "keep").await;
        let make = async || a.call::<Function>("make", ()).await.unwrap();
        let exports = 2;
        // Never polled.
        drop(b.call::<()>("keep", (make().await,)));
        // A conversion fails after the function was taken.
        assert_eq!(kind(b.call::<()>("keep", (make().await, u64::MAX)).await), ErrorKind::Range);
        // No such export.
        assert_eq!(kind(b.call::<()>("nobody", (make().await,)).await), ErrorKind::NotFound);
        // Queued behind a post, and the context closes.
        let made = make().await;
        b.post("keep", (1,)).unwrap();
        let mut call = b.call::<()>("keep", (made,));
        start(&mut call).await;
        b.close().await;
        assert_eq!(kind(call.await), ErrorKind::Dead);
        // Closed.
        assert_eq!(kind(b.call::<()>("keep", (make().await,)).await), ErrorKind::Dead);
        settle().await;
        assert_eq!(watch.handles(), exports - 1);
    })
    .await;
}

// C-031, C-036: a handle knows its owner and can be called without anything else at hand.
#[tokio::test]
async fn a_handle_alone_is_enough_to_call() {
    let broker = threaded(builder(&closures()), 1);
    let context = open(&broker, "a", "make").await;
    let function: Function = context.call("make", ()).await.unwrap();
    assert_eq!(function.context(), context.id());
    drop(context);
    let called = tokio::spawn(async move { function.call::<i64>((5,)).await });
    assert_eq!(within(called).await.unwrap().unwrap(), 10);
}

// C-138: handles are cloned, called and dropped by foreign threads while their owner closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_drops_race_with_the_close_of_the_owner() {
    let fake = closures();
    let watch = fake.watch();
    let broker = threaded(builder(&fake), 2);
    for _ in 0..50 {
        let context = open(&broker, "a", "make").await;
        let function: Function = within(context.call("make", ())).await.unwrap();
        let users: Vec<_> = (0..4)
            .map(|_| {
                let function = function.clone();
                tokio::spawn(async move {
                    loop {
                        match function.clone().call::<i64>((1,)).await {
                            Ok(two) => assert_eq!(two, 2),
                            Err(error) => return error.kind(),
                        }
                    }
                })
            })
            .collect();
        drop(function);
        within(context.close()).await;
        for user in users {
            assert_eq!(within(user).await.unwrap(), ErrorKind::Dead);
        }
    }
    assert_eq!((watch.interpreters(), watch.handles()), (0, 0));
}

// C-022: a function of a context is called by that context itself like any other, and counts once.
#[tokio::test(start_paused = true)]
async fn a_context_may_call_its_own_function_through_a_handle() {
    let fake = closures().on("own", |env, _| async move {
        let twice =
            env.function(|_, args| async move { Ok(Value::Int(2 * args[0].as_int().unwrap())) });
        env.apply(&twice, (3,)).await
    });
    let watch = fake.watch();
    inline(builder(&fake), async |broker| {
        let context = open(&broker, "a", "own").await;
        assert_eq!(context.call::<i64>("own", ()).await.unwrap(), 6);
        settle().await;
        assert_eq!(watch.handles(), 1);
    })
    .await;
}
