//! How workers wait: they look around before they sleep, and nobody goes short because of it.

#![cfg(feature = "lua")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use calog::Broker;
use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use support::{TIMEOUT, within};
use tokio::task::LocalSet;

// Whoever calls without pause is answered without waiting, and still lets the other tasks run.
#[tokio::test]
async fn a_host_that_only_calls_lets_others_run() {
    const MOST: u64 = 100_000;
    let local = LocalSet::new();
    let broker = Broker::builder().build_inline(&local).unwrap();
    local
        .run_until(async {
            let context = broker.open("lua").await.unwrap();
            context.eval::<()>("expose('inc', function(x) return x + 1 end)").await.unwrap();
            let has_run = Rc::new(Cell::new(false));
            let other = has_run.clone();
            tokio::task::spawn_local(async move { other.set(true) });
            let mut calls = 0;
            while !has_run.get() {
                assert!(calls < MOST, "nobody else runs");
                assert_eq!(context.call::<u64>("inc", (calls,)).await.unwrap(), calls + 1);
                calls += 1;
            }
        })
        .await;
}

// While calls come so fast that a worker never sleeps, its timers fire.
#[tokio::test]
async fn a_worker_that_is_called_without_pause_fires_its_timers() {
    let fired = Arc::new(AtomicBool::new(false));
    let fires = fired.clone();
    let broker = Broker::builder().native("fire", move || fires.store(true, Relaxed)).workers(1);
    let broker = broker.build().unwrap();
    let context = broker.open("lua").await.unwrap();
    let source = "expose('inc', function(x) return x + 1 end) timer.after(20, fire)";
    context.eval::<()>(source).await.unwrap();
    within(async {
        while !fired.load(Relaxed) {
            assert_eq!(context.call::<i64>("inc", (1,)).await.unwrap(), 2);
        }
    })
    .await;
    broker.shutdown(TIMEOUT).await.unwrap();
}

// A call that finds its context at rest counts among the calls at once as soon as it waits.
#[tokio::test]
async fn a_call_that_began_at_once_and_waits_takes_room() {
    let local = LocalSet::new();
    let forever = std::future::pending::<()>;
    let builder = Broker::builder().native_async("forever", forever);
    let limits = calog::Limits::default().concurrent_calls(2);
    let broker = builder.limits(limits).build_inline(&local).unwrap();
    local
        .run_until(async {
            let context = broker.open("lua").await.unwrap();
            let source =
                "expose('wait', function() forever() end) expose('one', function() return 1 end)";
            context.eval::<()>(source).await.unwrap();
            // What ends at once leaves no trace in the count.
            for _ in 0..10 {
                assert_eq!(context.try_call::<i64>("one", ()).await.unwrap(), 1);
            }
            let mut first = context.call::<()>("wait", ());
            support::start(&mut first).await;
            assert_eq!(within(context.try_call::<i64>("one", ())).await.unwrap(), 1);
            let mut second = context.call::<()>("wait", ());
            support::start(&mut second).await;
            let refused = context.try_call::<i64>("one", ()).await.unwrap_err();
            assert_eq!(refused.kind(), calog::ErrorKind::Busy);
            drop(first);
            // The actor has to see that the first is gone.
            let one = within(context.call::<i64>("one", ())).await.unwrap();
            assert_eq!(one, 1);
            drop(second);
        })
        .await;
}

/// How long the process is watched while it has nothing to do.
#[cfg(target_os = "linux")]
const IDLE: Duration = Duration::from_millis(500);

// A look ends: a process whose contexts are idle takes no time of the processor.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn workers_without_work_sleep() {
    /// The time that the workers of this test have had, in ticks of the system.
    fn ticks() -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let stats =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let of_workers = stats.filter(|stat| stat.contains("(calog-"));
        let used = of_workers.map(|stat| {
            let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        });
        used.sum()
    }
    let broker = Broker::builder().workers(2).build().unwrap();
    let mut contexts = Vec::new();
    for _ in 0..100 {
        contexts.push(broker.open("lua").await.unwrap());
    }
    for context in &contexts {
        assert_eq!(context.eval::<i64>("return 1").await.unwrap(), 1);
    }
    // The other tests of this file run in the same process: it is enough that it was quiet once.
    within(async {
        loop {
            let before = ticks();
            tokio::time::sleep(IDLE).await;
            if ticks() - before <= 1 {
                break;
            }
        }
    })
    .await;
    broker.shutdown(TIMEOUT).await.unwrap();
}
