//! What all benches share: both sides of a comparison, and how rounds of them are paired.

// Every bench uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod bare;
pub mod by_hand;
pub mod callers;
pub mod child;
pub mod loops;
pub mod ours;
pub mod scripts;

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use std::{
    future::{Future, poll_fn},
    mem,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

/// Pairs of rounds in a comparison, at most and at least; in between, time ends it.
const PAIRS: usize = 31;
const FEWEST_PAIRS: usize = 9;
const COMPARISON: Duration = Duration::from_secs(3);
/// How long a round takes, about: many times what the system gives a thread in one go.
const ROUND: Duration = Duration::from_millis(40);

/// One side of a comparison.
pub struct Side {
    /// Makes so many calls, and says how long they took.
    pub run: Box<dyn FnMut(u64) -> Duration>,
    /// Makes about so many calls, and says what each took in nanoseconds. Where calls cannot be timed
    /// singly, because a script makes them, each figure is the mean of a small batch.
    pub latencies: Box<dyn FnMut(u64) -> Vec<u32>>,
}

impl Side {
    /// A side whose calls are not timed singly.
    pub fn untimed(run: impl FnMut(u64) -> Duration + 'static) -> Self {
        Self { run: Box::new(run), latencies: Box::new(|_| Vec::new()) }
    }
}

/// What a comparison found; times are nanoseconds for one call.
pub struct Found {
    pub ratio: f64,
    pub ours: f64,
    pub theirs: f64,
    /// Of our side, sorted.
    pub latencies: Vec<u32>,
    /// What else was found, as lines below that of the row.
    pub beside: Vec<String>,
}

impl Found {
    /// The latency that so many of a hundred calls do not exceed, in microseconds.
    pub fn percentile(&self, hundredths: usize) -> f64 {
        let index = (self.latencies.len() * hundredths / 100).min(self.latencies.len().max(1) - 1);
        self.latencies.get(index).map_or(0.0, |ns| f64::from(*ns) / 1e3)
    }

    pub fn beside(mut self, line: String) -> Self {
        self.beside.push(line);
        self
    }
}

pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// As many calls as take about a round, by trying; whatever is made once is there afterwards. The
/// fastest of three tries counts, since others may take the processor away from one.
fn calls_in_a_round(run: &mut dyn FnMut(u64) -> Duration) -> u64 {
    let mut calls = 1;
    loop {
        let took = (0..3).map(|_| run(calls)).min().unwrap_or_default();
        if took >= ROUND / 8 {
            return (calls as f64 * ROUND.as_secs_f64() / took.as_secs_f64()).ceil() as u64;
        }
        calls *= 4;
    }
}

/// Rounds of both sides in pairs, so that the ratios hold while the machine's speed drifts. Which side
/// is first changes with each pair, so that neither has the warmer machine.
pub fn compare(mut ours: Side, mut theirs: Side) -> Found {
    let calls = (calls_in_a_round(&mut ours.run), calls_in_a_round(&mut theirs.run));
    let mut ours_once = || (ours.run)(calls.0).as_nanos() as f64 / calls.0 as f64;
    let mut theirs_once = || (theirs.run)(calls.1).as_nanos() as f64 / calls.1 as f64;
    let (mut pairs, mut latencies) = (Vec::new(), Vec::new());
    let start = Instant::now();
    for pair in 0..PAIRS {
        if pair >= FEWEST_PAIRS && start.elapsed() > COMPARISON {
            break;
        }
        pairs.push(match pair % 2 {
            0 => (ours_once(), theirs_once()),
            _ => {
                let theirs = theirs_once();
                (ours_once(), theirs)
            }
        });
        latencies.extend((ours.latencies)(calls.0 / 8 + 1));
    }
    latencies.sort_unstable();
    let ratio = median(pairs.iter().map(|(ours, theirs)| ours / theirs).collect());
    let (ours, theirs) = pairs.into_iter().unzip();
    Found { ratio, ours: median(ours), theirs: median(theirs), latencies, beside: Vec::new() }
}

/// A future that wakes its own task and is there at its second poll: what an async native costs that
/// suspends once, without what it waits for. It gives 1.
pub fn once() -> impl Future<Output = i64> {
    let mut was_polled = false;
    poll_fn(move |context| {
        if mem::replace(&mut was_polled, true) {
            return Poll::Ready(1);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// The same by tokio's own means, which makes the task wait until the runtime's driver was asked.
pub async fn yields() -> i64 {
    yield_now().await;
    1
}

/// A group of criterion's, whose sides are opened when they are chosen.
pub struct Group<'a>(BenchmarkGroup<'a, WallTime>);

impl<'a> Group<'a> {
    pub fn new(criterion: &'a mut Criterion, name: &str) -> Self {
        Self(criterion.benchmark_group(name))
    }

    pub fn side(&mut self, name: &str, open: impl FnOnce() -> Side) -> &mut Self {
        let (mut open, mut side) = (Some(open), None);
        self.0.bench_function(name, |bencher| {
            let open = || open.take().expect("it is opened once")();
            let side = side.get_or_insert_with(open);
            bencher.iter_custom(|n| (side.run)(n));
        });
        self
    }
}

/// The main function of a bench that criterion runs. There are many sides, so each has little time
/// unless the command line says otherwise.
pub fn run(benches: impl FnOnce(&mut Criterion)) {
    let (sample, warm_up) = (Duration::from_secs(1), Duration::from_millis(300));
    let criterion = Criterion::default().sample_size(20).measurement_time(sample);
    let mut criterion = criterion.warm_up_time(warm_up).configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}

/// The time that `work` takes.
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
