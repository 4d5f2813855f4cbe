//! Ten thousand contexts live at once and call around the ring that they form.

use crate::resources::{Held, MIB, forget_peak, mib, peak, resident};
use calog::Broker;
use futures::{StreamExt, stream};
use std::time::{Duration, Instant};

const CONTEXTS: usize = 10_000;

/// How many contexts one call of the host goes through: less than the depth that calls may have.
const HOPS: usize = 100;
const CALLS: usize = 100_000;

/// How many contexts open, and how many calls of the host are under way, at a time.
const AT_ONCE: usize = 64;

const LONGEST_OPENING: Duration = Duration::from_secs(5);
const LONGEST_CLOSING: Duration = Duration::from_secs(5);
const MOST_MEMORY: usize = 450 * MIB;

/// When the test gives up.
const HANGS: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: ten thousand contexts"]
async fn ten_thousand_contexts_call_around_a_ring() {
    let held = Held::now();
    forget_peak();
    let before = resident();
    let broker = Broker::builder().workers(2).build().unwrap();
    let start = Instant::now();
    let open = |number: usize| {
        let broker = broker.clone();
        async move {
            let context = broker.open("lua").name(format!("c{number}")).await.unwrap();
            let next = (number + 1) % CONTEXTS;
            let source = format!(
                "expose('c{number}', function(hops, x)
                   if hops == 0 then return x + {number} end
                   return c{next}(hops - 1, x) + 1
                 end)"
            );
            context.eval::<()>(&source).await.unwrap();
            context
        }
    };
    let opening = stream::iter(0..CONTEXTS).map(open).buffered(AT_ONCE).collect::<Vec<_>>();
    let contexts = tokio::time::timeout(HANGS, opening).await.expect("the opening hangs");
    let opened = start.elapsed();
    let idle = resident();

    let start = Instant::now();
    let call = |number: usize| {
        let first = number * HOPS % CONTEXTS;
        let call = contexts[first].call::<usize>(&format!("c{first}"), (HOPS - 1, number));
        async move {
            let last = (first + HOPS - 1) % CONTEXTS;
            assert_eq!(call.await.unwrap(), number + last + HOPS - 1);
        }
    };
    let calls = stream::iter(0..CALLS / HOPS).map(call).buffer_unordered(AT_ONCE);
    let calls = calls.collect::<Vec<()>>();
    tokio::time::timeout(HANGS, calls).await.expect("the ring hangs");
    let called = start.elapsed();
    let used = resident();

    let start = Instant::now();
    let close = |context: calog::Context| async move { context.close().await };
    let closing = stream::iter(contexts).map(close).buffer_unordered(AT_ONCE).collect::<Vec<()>>();
    tokio::time::timeout(HANGS, closing).await.expect("the closing hangs");
    let closed = start.elapsed();
    println!(
        "crowd: {CONTEXTS} contexts opened in {opened:.2?}, {CALLS} calls in {called:.2?}, closed in \
         {closed:.2?}; resident before {}, idle {}, used {}, peak {}",
        mib(before),
        mib(idle),
        mib(used),
        mib(peak()),
    );
    assert!(broker.contexts().is_empty());
    broker.shutdown(HANGS).await.unwrap();
    Held::is_all_that_is_left(held).await;
    assert!(opened < LONGEST_OPENING, "opening took {opened:?}");
    assert!(closed < LONGEST_CLOSING, "closing took {closed:?}");
    assert!(peak().is_none_or(|peak| peak < MOST_MEMORY), "the peak was {}", mib(peak()));
}
