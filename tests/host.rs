//! The host's own side: its natives run when it pumps, one at a time, on its thread.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use calog::{Caller, Error, ErrorKind, Value};
use futures::future::{join, join_all};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use support::*;
use tokio::task::LocalSet;

/// `host` calls the host native of that name with its arguments; `many` does it three times.
fn callers() -> Fake {
    Fake::new()
        .on("host", |env, args| async move { env.call("host_native", args).await })
        .on_fiber("fiber_host", |env, args| env.call_now("host_native", args))
        .on("many", |env, _| async move {
            for n in 0..3 {
                env.call("host_native", (n,)).await?;
            }
            Ok(Value::Nil)
        })
        .on("caught", |env, _| async move {
            let error = env.call("host_native", ()).await.unwrap_err();
            Ok(error.kind().as_str().into())
        })
        .on("fails", |_, args| async move { Err(Error::raised(args[0].as_int().unwrap())) })
        .on("one", |_, _| async { Ok(Value::Int(1)) })
}

// C-142, C-144, C-153: nothing runs before the pump; the pump runs what waits then, and counts it.
#[tokio::test(start_paused = true)]
async fn a_pump_runs_what_waits_and_returns_how_much() {
    let total = Rc::new(Cell::new(0));
    let sum = total.clone();
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", move |n: i64| {
            sum.set(sum.get() + n);
            sum.get()
        })
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host fiber_host many").await;
            assert_eq!(host.pump(), 0);
            let names = ["host", "fiber_host", "host"];
            let calls = names.map(|name| tokio::task::spawn_local(context.call::<i64>(name, (2,))));
            settle().await;
            assert_eq!(total.get(), 0, "nothing runs before the pump");
            assert_eq!(host.pump(), 3);
            assert_eq!(total.get(), 6);
            assert_eq!(host.pump(), 0);
            let results = join_all(calls).await.into_iter().map(|call| call.unwrap().unwrap());
            let mut results: Vec<_> = results.collect();
            results.sort_unstable();
            assert_eq!(results, [2, 4, 6]);
            // A script that calls in a loop gets one call through at each pump.
            let many = tokio::task::spawn_local(context.call::<()>("many", ()));
            for _ in 0..3 {
                settle().await;
                assert_eq!(host.pump(), 1);
            }
            many.await.unwrap().unwrap();
        }))
        .await;
}

// C-153: a pump takes what waits when it begins, and no more: a frame must end.
#[test]
fn a_pump_is_bounded_by_what_waits_when_it_begins() {
    let fake = callers().on("again", |env, _| async move {
        for n in 0..3 {
            env.call("enter", ()).await?;
            env.call("host_native", (n,)).await?;
        }
        Ok(Value::Nil)
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = Arc::new(AtomicUsize::new(0));
    let (count, seen) = (entered.clone(), entered);
    // Runs between the first call of `again` and the end of the pump: waits for the second one.
    let opened = Arc::new(Mutex::new(None::<calog::Context>));
    let (inside, handle) = (opened.clone(), runtime.handle().clone());
    let wait_for_the_second_call = move || {
        let until = std::time::Instant::now() + TIMEOUT;
        while seen.load(SeqCst) < 2 {
            assert!(std::time::Instant::now() < until, "the second call never came");
            std::thread::yield_now();
        }
        // The actor answers this only after the poll in which the script has made its call.
        let context = inside.lock().unwrap().clone().unwrap();
        handle.block_on(context.usage()).unwrap();
    };
    let (broker, mut host) = builder(&fake)
        .native("enter", move || {
            count.fetch_add(1, SeqCst);
        })
        .native_host("host_native", move |n: i64| {
            if n == -1 {
                wait_for_the_second_call();
            }
        })
        .workers(1)
        .build_with_host()
        .unwrap();
    let context = runtime.block_on(open(&broker, "a", "again host"));
    *opened.lock().unwrap() = Some(context.clone());
    let again = runtime.spawn(context.call::<()>("again", ()));
    let waiting = |host: &calog::Host, count: usize| {
        let until = std::time::Instant::now() + TIMEOUT;
        while format!("{host:?}") != format!("Host({count} waiting)") {
            assert!(std::time::Instant::now() < until, "no call came");
            std::thread::yield_now();
        }
    };
    waiting(&host, 1);
    let blocker = runtime.spawn(context.call::<()>("host", (-1,)));
    waiting(&host, 2);
    assert_eq!(host.pump(), 2, "the call that came meanwhile is for the next pump");
    waiting(&host, 1);
    assert_eq!(host.pump(), 1);
    waiting(&host, 1);
    assert_eq!(host.pump(), 1);
    runtime.block_on(within(join(again, blocker))).0.unwrap().unwrap();
    runtime.block_on(within(broker.shutdown(TIMEOUT))).unwrap();
}

// C-144: host natives never run at the same time, whoever calls from wherever.
#[tokio::test]
async fn host_natives_are_serialised() {
    let fake = callers();
    let total = Rc::new(Cell::new(0));
    let inside = Rc::new(Cell::new(false));
    let here = std::thread::current().id();
    let (sum, busy) = (total.clone(), inside);
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", move |n: i64| {
            assert_eq!(std::thread::current().id(), here);
            assert!(!busy.replace(true), "two at once");
            // Not synchronised at all: an overlap would lose a step.
            let before = sum.get();
            std::thread::yield_now();
            sum.set(before + n);
            busy.set(false);
        })
        .workers(2)
        .build_with_host()
        .unwrap();
    let mut contexts = Vec::new();
    for n in 0..8 {
        contexts.push(open(&broker, "a", &format!("host{n}=host")).await);
    }
    let calls = join_all((0..8).map(|n| {
        let (context, name) = (&contexts[n], format!("host{n}"));
        async move {
            for _ in 0..100 {
                context.call::<()>(&name, (1,)).await.unwrap();
            }
        }
    }));
    within(host.run_until(calls)).await;
    assert_eq!(total.get(), 800);
}

// C-153, C-035, C-150: `run_until` serves host natives while its future runs, then returns the output.
#[tokio::test(start_paused = true)]
async fn run_until_pumps_while_the_future_runs() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |n: i64| n + 1)
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host fiber_host many one").await;
            assert_eq!(host.run_until(context.call::<i64>("host", (1,))).await.unwrap(), 2);
            assert_eq!(host.run_until(context.call::<i64>("fiber_host", (2,))).await.unwrap(), 3);
            host.run_until(context.call::<()>("many", ())).await.unwrap();
            // A future that needs no host, and one that is ready at once.
            assert_eq!(host.run_until(context.call::<i64>("one", ())).await.unwrap(), 1);
            assert_eq!(host.run_until(async { "ready" }).await, "ready");
        }))
        .await;
}

// C-153: a `run_until` that is dropped loses no event.
#[tokio::test(start_paused = true)]
async fn a_dropped_run_until_loses_nothing() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |n: i64| n)
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host").await;
            {
                let mut endless = Box::pin(host.run_until(std::future::pending::<()>()));
                start(&mut endless).await;
            }
            let call = tokio::task::spawn_local(context.call::<i64>("host", (4,)));
            settle().await;
            assert_eq!(host.pump(), 1);
            assert_eq!(call.await.unwrap().unwrap(), 4);
        }))
        .await;
}

// C-142: without a host, and after it has gone, its natives fail with `shutdown`.
#[tokio::test(start_paused = true)]
async fn calls_after_the_host_has_gone_fail() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, host) =
        builder(&fake).native_host("host_native", || ()).build_inline_with_host(&local).unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "caught one").await;
            drop(host);
            assert_eq!(context.call::<String>("caught", ()).await.unwrap(), "shutdown");
            assert_eq!(context.call::<i64>("one", ()).await.unwrap(), 1);
        }))
        .await;
}

// C-144, C-210: a caller that has given up gets no effect that it does not know of.
#[tokio::test(start_paused = true)]
async fn the_host_call_of_a_cancelled_caller_is_not_run() {
    let fake = callers();
    let ran = Rc::new(RefCell::new(Vec::new()));
    let log = ran.clone();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", move |n: i64| log.borrow_mut().push(n))
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host fiber_host").await;
            let mut calls: Vec<_> = [("host", 1), ("fiber_host", 2), ("host", 3), ("host", 4)]
                .map(|(name, n)| context.call::<()>(name, (n,)))
                .into();
            for call in &mut calls {
                start(call).await;
            }
            settle().await;
            let kept = calls.pop().unwrap();
            drop(calls.remove(2));
            drop(calls);
            settle().await;
            host.pump();
            kept.await.unwrap();
            assert_eq!(*ran.borrow(), [4]);
        }))
        .await;
}

// C-147, C-148: failures of posted calls are delivered in the pump, and on the thread that pumps.
#[tokio::test]
async fn failures_are_delivered_by_the_pump() {
    let fake = callers();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let (broker, mut host) = builder(&fake)
        .on_failure(move |failure| {
            let message = failure.error.message().to_string();
            log.lock().unwrap().push((std::thread::current().id(), message));
        })
        .workers(1)
        .build_with_host()
        .unwrap();
    let context = open(&broker, "a", "fails one").await;
    for n in 0..3 {
        context.post("fails", (n,)).unwrap();
    }
    // One worker: when this is answered, the posts have failed.
    within(context.call::<i64>("one", ())).await.unwrap();
    assert!(seen.lock().unwrap().is_empty(), "nothing is delivered outside of the pump");
    assert_eq!(host.pump(), 3);
    let here = std::thread::current().id();
    let expected: Vec<_> = (0..3).map(|n| (here, n.to_string())).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(host.pump(), 0);
}

// C-128, C-144, C-207: a host native's errors and panics are the calling script's.
#[tokio::test(start_paused = true)]
async fn errors_and_panics_of_host_natives_go_to_the_script() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |n: u8| match n {
            0 => Err(Error::new(ErrorKind::Io, "no paper")),
            1 => panic!("on fire"),
            n => Ok(n),
        })
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host").await;
            let mut call = async |args: Vec<Value>| {
                let call = context.call::<u8>("host", args);
                host.run_until(call)
                    .await
                    .map_err(|error| (error.kind(), error.message().to_string()))
            };
            assert_eq!(call(vec![2.into()]).await, Ok(2));
            let failed = |kind, text: &str| Err((kind, text.to_string()));
            assert_eq!(call(vec![0.into()]).await, failed(ErrorKind::Io, "no paper"));
            assert_eq!(call(vec![1.into()]).await, failed(ErrorKind::Panicked, "on fire"));
            assert_eq!(call(Vec::new()).await, failed(ErrorKind::Arity, "args[1]: missing"));
            let error = call(vec!["x".into()]).await.unwrap_err();
            assert_eq!(error.0, ErrorKind::Type);
            let error = call(vec![256.into()]).await.unwrap_err();
            assert_eq!(error.0, ErrorKind::Range);
            assert_eq!(call(vec![3.into()]).await, Ok(3), "the pump lives on");
        }))
        .await;
}

// C-142, C-159: a host native learns who calls it.
#[tokio::test(start_paused = true)]
async fn a_host_native_knows_its_caller() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |caller: Caller, greeting: String| {
            format!("{greeting} {} {}", caller.name(), caller.context())
        })
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            for name in ["first", "second"] {
                let context = broker.open("fake").name(name).await.unwrap();
                context.eval::<()>(&format!("{name}=host")).await.unwrap();
                let call = context.call::<String>(name, ("hello",));
                let greeting = host.run_until(call).await.unwrap();
                assert_eq!(greeting, format!("hello {name} {}", context.id()));
            }
        }))
        .await;
}

// C-139, C-107: a shutdown answers a script that waits for the host, without the host.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_the_host() {
    let fake = callers();
    let watch = fake.watch();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |_: i64| -> i64 { panic!("it was cancelled") })
        .workers(2)
        .build_with_host()
        .unwrap();
    let context = open(&broker, "a", "host fiber_host").await;
    let calls = ["host", "fiber_host"].map(|n| tokio::spawn(context.call::<()>(n, (1,))));
    within(async {
        while format!("{host:?}") != "Host(2 waiting)" {
            tokio::task::yield_now().await;
        }
        broker.shutdown(TIMEOUT).await.unwrap();
        for call in calls {
            assert_eq!(kind(call.await.unwrap()), ErrorKind::Shutdown);
        }
    })
    .await;
    host.pump();
    assert_eq!(watch.cut(), 2);
}

// C-151: while a script waits for the host, its context loads and runs another.
#[tokio::test(start_paused = true)]
async fn a_context_that_waits_for_the_host_runs_other_scripts() {
    let fake = callers();
    let local = LocalSet::new();
    let (broker, mut host) = builder(&fake)
        .native_host("host_native", |n: i64| n)
        .build_inline_with_host(&local)
        .unwrap();
    local
        .run_until(within(async {
            let context = open(&broker, "a", "host").await;
            let call = tokio::task::spawn_local(context.call::<i64>("host", (9,)));
            settle().await;
            assert_eq!(context.eval::<i64>("!one").await.unwrap(), 1);
            assert!(!call.is_finished());
            host.pump();
            assert_eq!(call.await.unwrap().unwrap(), 9);
        }))
        .await;
}
