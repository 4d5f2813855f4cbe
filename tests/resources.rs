//! What natives keep for a context, and the tasks that they begin there.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Broker, Caller, ErrorKind, Function, Handle, Limits, Result};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;
use tokio::sync::Semaphore;

/// Tells when it is dropped.
struct Kept(Arc<AtomicUsize>, i64);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        assert!(self.1 != 13, "a resource that breaks when it is dropped");
    }
}

/// Natives that keep numbers: `keep(n)`, `show(handle)`, `drop(handle)`, `wrong(handle)`.
fn keeping(dropped: &Arc<AtomicUsize>) -> calog::Builder {
    let dropped = dropped.clone();
    Broker::builder()
        .native("keep", move |caller: Caller, n: i64| caller.keep(Kept(dropped.clone(), n)))
        .native("show", |caller: Caller, handle: Handle| -> Result<i64> {
            Ok(caller.resource::<Kept>(handle)?.1)
        })
        .native("release", |caller: Caller, handle: Handle| -> Result<i64> {
            Ok(caller.release::<Kept>(handle)?.1)
        })
        .native("wrong", |caller: Caller, handle: Handle| -> Result<i64> {
            caller.resource::<String>(handle).map(|_| 0)
        })
}

#[tokio::test]
async fn a_handle_names_its_resource_until_it_is_released_or_the_context_ends() {
    let dropped = Arc::default();
    let broker = keeping(&dropped).build().unwrap();
    let (a, b) = (broker.open("lua").name("a").await.unwrap(), broker.open("lua").await.unwrap());
    let one: i64 = a.eval("one = keep(7) return one").await.unwrap();
    assert_eq!(a.eval::<i64>("return show(one)").await.unwrap(), 7);

    let kind = |script: String| {
        let (a, script) = (a.clone(), script);
        async move { a.eval::<()>(&script).await.unwrap_err() }
    };
    let error = kind("wrong(one)".into()).await;
    assert_eq!(error.kind(), ErrorKind::Type);
    // Another context's handle names nothing, and neither does what was never one.
    let foreign: i64 = b.eval("return keep(8)").await.unwrap();
    for script in [format!("show({foreign})"), "show(0)".into(), "show(1 << 40)".into()] {
        let error = kind(script.clone()).await;
        assert_eq!(error.kind(), ErrorKind::Dead, "{script}");
        assert!(error.message().contains("context `a` has no open handle"), "{error}");
    }
    for script in ["show(-1)", "show('x')", "show(1.5)"] {
        let error = kind(script.into()).await;
        assert!(matches!(error.kind(), ErrorKind::Range | ErrorKind::Type), "{script}: {error}");
    }

    assert_eq!(a.eval::<i64>("return release(one)").await.unwrap(), 7);
    assert_eq!(dropped.load(SeqCst), 1);
    assert_eq!(kind("release(one)".into()).await.kind(), ErrorKind::Dead);
    assert_ne!(a.eval::<i64>("return keep(9)").await.unwrap(), one, "a number is never used twice");

    assert_eq!(a.usage().await.unwrap().resources, 1);
    // One that breaks does not keep the others.
    a.eval::<()>("keep(13) keep(14)").await.unwrap();
    a.close().await;
    assert_eq!(dropped.load(SeqCst), 4, "all are gone when the end is announced");
    assert_eq!(b.eval::<i64>(&format!("return show({foreign})")).await.unwrap(), 8);
    broker.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(dropped.load(SeqCst), 5);
}

#[tokio::test]
async fn a_context_keeps_no_more_than_its_limit() {
    let dropped = Arc::default();
    let broker = keeping(&dropped).build().unwrap();
    let limits = Limits::default().resources(3);
    let context = broker.open("lua").limits(limits).await.unwrap();
    let error = context.eval::<()>("for n = 1, 4 do last = keep(n) end").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(dropped.load(SeqCst), 1, "what found no room is not held anywhere");
    context.eval::<()>("release(last) keep(5)").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_beside_the_calls_and_ends_with_its_context() {
    let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (entered, failures) = (gate.clone(), Arc::new(Mutex::new(Vec::new())));
    let (dropped, failed) = (Arc::<AtomicUsize>::default(), failures.clone());
    let guard = dropped.clone();
    let builder = Broker::builder()
        .native("later", move |caller: Caller, f: Function, times: i64| {
            let (gate, kept) = (entered.clone(), Kept(guard.clone(), 0));
            let reporter = caller.clone();
            caller.spawn(async move {
                let _kept = kept;
                for n in 0..times {
                    gate.acquire().await.unwrap().forget();
                    if let Err(error) = f.call::<()>((n,)).await {
                        reporter.report(error);
                    }
                }
            });
        })
        .native("note", {
            let seen = seen.clone();
            move |n: i64| seen.lock().unwrap().push(n)
        })
        .on_failure(move |failure| failed.lock().unwrap().push(failure));
    inline(builder, async |broker| {
        let context = broker.open("lua").name("a").await.unwrap();
        context
            .eval::<()>("later(function(n) note(n) if n == 1 then error('ouch') end end, 3)")
            .await
            .unwrap();
        assert_eq!(context.usage().await.unwrap().tasks, 1);
        let mut settled = Box::pin(broker.settled());
        let short = Duration::from_millis(10);
        assert!(tokio::time::timeout(short, &mut settled).await.is_err(), "it is counted");
        gate.add_permits(3);
        tokio::time::timeout(TIMEOUT, &mut settled).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
        let failures = std::mem::take(&mut *failures.lock().unwrap());
        assert_eq!(failures.len(), 1);
        assert_eq!((&*failures[0].context, failures[0].error.kind()), ("a", ErrorKind::Raised));
        assert_eq!(dropped.load(SeqCst), 1);

        // One that waits, also for its callback, is dropped with its context.
        context.eval::<()>("later(print, 1) later(print, 1)").await.unwrap();
        context.close().await;
        assert_eq!(dropped.load(SeqCst), 3);
        tokio::time::timeout(TIMEOUT, broker.settled()).await.unwrap();
    })
    .await;
}

/// The count is right from the very call that begins the task: who asks at once must not miss it.
#[tokio::test]
async fn who_asks_at_once_does_not_miss_a_task() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let broker = Broker::builder()
        .native("later", move |caller: Caller| {
            let count = count.clone();
            caller.spawn(async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, SeqCst);
            });
        })
        .build()
        .unwrap();
    let context = broker.open("lua").await.unwrap();
    for n in 1..=200 {
        context.eval::<()>("later()").await.unwrap();
        broker.settled().await;
        assert_eq!(done.load(SeqCst), n);
    }
}
