//! Shutdowns at any moment, in every way, under load.

use crate::{
    engines::{Language, languages},
    random::Random,
    resources::Held,
};
use calog::{Broker, Context, ErrorKind, Limits, Value};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How many brokers are shut down.
const MOMENTS: u64 = 200;

/// How long a shutdown may take.
const LIMIT: Duration = Duration::from_secs(2);

/// The latest moment, in microseconds after the load has begun.
const LATEST: usize = 5_000;

/// When a call that is open counts as lost.
const LOST: Duration = Duration::from_secs(20);

/// How long a native blocks its thread, which no shutdown waits for.
const BLOCKED: Duration = Duration::from_millis(20);

/// How many contexts of each language, and calls of each.
const CONTEXTS: usize = 3;

/// What all contexts are called for: to compute, to wait in each way, to leave timers and promises,
/// to call each other.
const LOAD: &[&str] = &["starts", "computes", "blocks", "holds", "catches", "nests", "through"];

/// In which way the broker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Shutdown,
    /// Once, and once more.
    Twice,
    /// Three at a time.
    Together,
    /// The last handle is dropped.
    Dropped,
    /// A script calls an async native that shuts down.
    FromAnAsyncNative,
    /// A script calls a blocking native that shuts down.
    FromABlockingNative,
}

const WAYS: &[Way] = &[
    Way::Shutdown,
    Way::Twice,
    Way::Together,
    Way::Dropped,
    Way::FromAnAsyncNative,
    Way::FromABlockingNative,
];

/// The broker, where natives of its own find it.
type Place = Arc<OnceLock<Broker>>;

fn broker(place: &Place) -> Broker {
    let (awaits, blocks) = (place.clone(), place.clone());
    Broker::builder()
        .workers(2)
        .limits(Limits::default().slice(Duration::from_millis(1)))
        .output(|_, _| {})
        .on_failure(|_| {})
        .native("reach", || {})
        .native_async("hold", std::future::pending::<()>)
        .native_async("pause", |millis: u64| tokio::time::sleep(Duration::from_millis(millis)))
        .native_blocking("block", || std::thread::sleep(BLOCKED))
        .native_async("stop_async", move || {
            let broker = awaits.get().cloned();
            async move { broker.unwrap().shutdown(LIMIT).await }
        })
        .native_blocking("stop_blocking", move || {
            let broker = blocks.get().cloned().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(broker.shutdown(LIMIT))
        })
        .build()
        .unwrap()
}

/// Opens contexts and lets them work. What comes back are the answers that are to come.
async fn load(
    broker: &Broker,
    languages: &[&'static Language],
) -> (Vec<Context>, Vec<tokio::task::JoinHandle<calog::Result<Value>>>) {
    let mut contexts = Vec::new();
    for number in 0..CONTEXTS * languages.len() {
        let language = languages[number % languages.len()];
        contexts.push(language.open(broker, &format!("c{number}")).await.unwrap());
    }
    let mut calls = Vec::new();
    for (number, context) in contexts.iter().enumerate() {
        let other = format!("c{}", (number + 1) % contexts.len());
        for work in LOAD {
            let function = format!("{}.{work}", context.name());
            let call = match *work {
                "nests" => context.call(&function, (other.as_str(),)),
                "through" => context.call(&function, (format!("{other}.holds"),)),
                _ => context.call(&function, ()),
            };
            calls.push(tokio::spawn(call));
        }
    }
    (contexts, calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: two hundred shutdowns"]
async fn a_broker_ends_at_any_moment_in_any_way() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (before, count) = (std::panic::take_hook(), panics.clone());
    std::panic::set_hook(Box::new(move |panic| {
        count.fetch_add(1, Relaxed);
        before(panic);
    }));
    let held = Held::now();
    let start = Instant::now();
    let mut slowest = BTreeMap::<Way, Duration>::new();
    let mut ends = BTreeMap::<&str, usize>::new();
    for moment in 0..MOMENTS {
        let mut random = Random::new(moment);
        let way = WAYS[moment as usize % WAYS.len()];
        let place = Place::default();
        let broker = broker(&place);
        let languages = languages(&broker);
        let (contexts, calls) = load(&broker, &languages).await;
        tokio::time::sleep(Duration::from_micros(random.below(LATEST) as u64)).await;
        let begin = Instant::now();
        match way {
            Way::Shutdown => broker.shutdown(LIMIT).await.unwrap(),
            Way::Twice => {
                broker.shutdown(LIMIT).await.unwrap();
                broker.shutdown(LIMIT).await.unwrap();
            }
            Way::Together => {
                let [a, b, c] = std::array::from_fn(|_| broker.shutdown(LIMIT));
                let (a, b, c) = tokio::join!(a, b, c);
                a.and(b).and(c).unwrap();
            }
            Way::Dropped => drop(broker.clone()),
            Way::FromAnAsyncNative | Way::FromABlockingNative => {
                place.set(broker.clone()).unwrap();
                let how =
                    if way == Way::FromAnAsyncNative { "stop_async" } else { "stop_blocking" };
                let context = &contexts[random.below(contexts.len())];
                let function = format!("{}.turns_off", context.name());
                // Who waits in the middle of something else keeps roots out: the call comes from
                // the side of the host, and may never begin.
                let stops = context.call::<Value>(&function, (how,));
                let kind = tokio::select! {
                    result = stops => result.unwrap_err().kind(),
                    () = tokio::time::sleep(LIMIT / 20) => {
                        broker.shutdown(LIMIT).await.unwrap();
                        ErrorKind::Shutdown
                    }
                };
                assert_eq!(kind, ErrorKind::Shutdown, "moment {moment}");
                broker.shutdown(LIMIT).await.unwrap();
            }
        }
        // The last handles, but for those of natives.
        drop((contexts, broker));
        for call in calls {
            let answer = tokio::time::timeout(LOST, call).await;
            let answer = answer.unwrap_or_else(|_| panic!("lost at moment {moment}, {way:?}"));
            let word = match answer.unwrap() {
                Ok(_) => "ok",
                Err(error) => error.kind().as_str(),
            };
            assert!(["ok", "shutdown"].contains(&word), "moment {moment}, {way:?}: {word}");
            *ends.entry(word).or_default() += 1;
        }
        let took = begin.elapsed();
        assert!(took < LIMIT, "moment {moment}, {way:?}: {took:?}");
        let longest = slowest.entry(way).or_default();
        *longest = took.max(*longest);
    }
    Held::is_all_that_is_left(held).await;
    // A native that cannot wait any more is told so; it must not break.
    assert_eq!(panics.load(Relaxed), 0, "panics");
    println!(
        "shutdown: {MOMENTS} moments in {:.1?}, slowest {slowest:.0?}; {ends:?}",
        start.elapsed()
    );
}
