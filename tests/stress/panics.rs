//! Natives that panic: each is an error of its own call, and nothing else is hurt.

use crate::{
    engines::{at_rest, on_both_workers},
    resources::Held,
};
use calog::{Broker, ErrorKind, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const CALLS: usize = 100_000;

/// One call in so many panics.
const EACH: usize = 100;

const CALLERS: usize = 32;
const LONGEST: Duration = Duration::from_secs(30);

/// What the panics say that are to be.
const WORD: &str = "stress: ";

/// The natives that may panic, in turn: at once, before the first wait, after it, on another thread.
const NATIVES: [&str; 4] = ["at_once", "early", "late", "blocking"];

fn maybe(number: usize, panics: &AtomicUsize) -> usize {
    if number.is_multiple_of(EACH) {
        panics.fetch_add(1, Relaxed);
        panic!("{WORD}{number}");
    }
    number
}

/// Keeps the panics that are to be out of the output, those of other tests not.
fn quiet() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with(WORD)) {
            before(panic);
        }
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: natives that panic"]
async fn every_panic_of_a_native_is_an_error_of_its_call() {
    quiet();
    let held = Held::now();
    let start = Instant::now();
    let panics = Arc::new(AtomicUsize::new(0));
    let counts: [_; 4] = std::array::from_fn(|_| panics.clone());
    let [at_once, early, late, blocking] = counts;
    let broker = Broker::builder()
        .workers(2)
        .native("at_once", move |number: usize| maybe(number, &at_once))
        .native_async("early", move |number: usize| {
            let number = maybe(number, &early);
            async move { number }
        })
        .native_async("late", move |number: usize| {
            let late = late.clone();
            async move {
                tokio::task::yield_now().await;
                maybe(number, &late)
            }
        })
        .native_blocking("blocking", move |number: usize| maybe(number, &blocking))
        .build()
        .unwrap();
    let contexts = on_both_workers(&broker).await;
    let callers = (0..CALLERS).map(|caller| {
        let contexts = contexts.clone();
        tokio::spawn(async move {
            let (mut panicked, mut wrong) = (0, Vec::new());
            for number in (caller..CALLS).step_by(CALLERS) {
                let context = &contexts[number / CALLERS % contexts.len()].0;
                let native = NATIVES[number / EACH % NATIVES.len()];
                let function = format!("{}.passes", context.name());
                let result: Result<usize> = context.call(&function, (native, number)).await;
                match result {
                    Ok(same) if same == number && !number.is_multiple_of(EACH) => {}
                    Err(error)
                        if error.kind() == ErrorKind::Panicked
                            && number.is_multiple_of(EACH)
                            && error.message().contains(&format!("{WORD}{number}")) =>
                    {
                        panicked += 1;
                    }
                    other => wrong.push(format!("call {number} of {native}: {other:?}")),
                }
            }
            (panicked, wrong)
        })
    });
    let callers: Vec<_> = callers.collect();
    let (mut panicked, mut wrong) = (0, Vec::new());
    for caller in callers {
        let (count, problems) = caller.await.unwrap();
        panicked += count;
        wrong.extend(problems);
    }
    let took = start.elapsed();
    println!("panics: {panicked} of {CALLS} calls panicked, in {took:.1?}");
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert_eq!(panicked, CALLS / EACH);
    assert_eq!(panics.load(Relaxed), CALLS / EACH);
    for (context, handles) in &contexts {
        at_rest(context, Some(*handles)).await;
        let echo = context.call::<i64>(&format!("{}.echoes", context.name()), (7,));
        assert_eq!(echo.await.unwrap(), 7);
    }
    broker.shutdown(LONGEST).await.unwrap();
    Held::is_all_that_is_left(held).await;
    assert!(took < LONGEST, "it took {took:?}");
}
