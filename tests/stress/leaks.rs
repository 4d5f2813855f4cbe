//! Rounds of everything together leave the process as it was.

use crate::{
    engines::{at_rest, on_both_workers},
    resources::{Held, MIB, mib, resident},
};
use calog::{Broker, ErrorKind, Function, Value};
use std::time::{Duration, Instant};

/// How many rounds may fill pools and caches, and how many must then add nothing.
const WARM: usize = 10;
const ROUNDS: usize = 100;

/// How many calls each context gets in a round, in each way to end.
const CALLS: usize = 50;

/// What the allocator may keep beyond what it had after the first rounds.
const MOST_GROWTH: usize = 24 * MIB;

const DEADLINE: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_secs(10);

/// A broker from its begin to its end, with calls that end in every way.
async fn round() {
    let broker = Broker::builder()
        .workers(2)
        .output(|_, _| {})
        .on_failure(|_| {})
        .native("ran", |_: usize| {})
        .native("reach", || {})
        .native_async("hold", std::future::pending::<()>)
        .native_async("later", |value: Value| async move {
            tokio::task::yield_now().await;
            value
        })
        .native_blocking("block", || {})
        .native_async("apply", |f: Function| async move { f.call_raw(Vec::new()).await })
        .build()
        .unwrap();
    let contexts = on_both_workers(&broker).await;
    let mut calls = Vec::new();
    for (context, _) in &contexts {
        for (other, _) in &contexts {
            let at = |name: &str| format!("{}.{name}", context.name());
            let there = |name: &str| format!("{}.{name}", other.name());
            for _ in 0..CALLS / contexts.len() {
                calls.push(context.call::<Value>(&at("waits"), (0, 1)));
                calls.push(context.call(&at("relays"), (0, 1, there("soon"))));
                calls.push(context.call(&at("fails"), (0, 1)));
                calls.push(
                    context.call(&at("applies"), (0, 1, other.function(&there("plus")).unwrap())),
                );
                calls.push(context.call(&at("nests"), (other.name(),)).deadline(DEADLINE));
                calls.push(context.call(&at("calls_back"), ()).deadline(DEADLINE));
                calls.push(context.call(&at("comes_from_inside"), ()).deadline(DEADLINE));
                calls.push(context.call(&at("cleans"), ()).deadline(DEADLINE));
                calls.push(context.call(&at("blocks"), ()));
            }
        }
    }
    for result in futures::future::join_all(calls).await {
        let kind = result.err().map(|error| error.kind());
        assert!(
            matches!(kind, None | Some(ErrorKind::Raised | ErrorKind::Timeout)),
            "it ended with {kind:?}"
        );
    }
    for (context, handles) in &contexts {
        at_rest(context, Some(*handles)).await;
        // What is left when the broker ends.
        let mut call = context.call::<Value>(&format!("{}.holds", context.name()), ());
        assert!(futures::poll!(&mut call).is_pending());
    }
    contexts[0].0.close().await;
    broker.shutdown(LIMIT).await.unwrap();
    assert!(broker.contexts().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: rounds of everything"]
async fn rounds_of_everything_leave_nothing() {
    for _ in 0..WARM {
        round().await;
    }
    let (held, memory, start) = (Held::now(), resident(), Instant::now());
    for _ in 0..ROUNDS {
        round().await;
    }
    let after = resident();
    println!(
        "leaks: {ROUNDS} rounds in {:.1?}, {} before, {} after",
        start.elapsed(),
        mib(memory),
        mib(after)
    );
    Held::is_all_that_is_left(held).await;
    let growth = after.zip(memory).map_or(0, |(after, before)| after.saturating_sub(before));
    assert!(growth < MOST_GROWTH, "{} MiB more than before", growth / MIB);
}
