//! Scripts that never end by themselves, of every class, beside a thousand neighbours that tick.

pub(crate) mod basic;
pub(crate) mod js;
pub(crate) mod lua;

use crate::{
    engines::{Language, languages},
    resources::{Held, Thread},
};
use calog::{Broker, ErrorKind, Result, Value};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One way not to end.
pub(crate) struct Runaway {
    class: &'static str,
    source: &'static str,
    /// How it may end.
    kinds: &'static [ErrorKind],
    /// Does one step of it, a call of the engine's library or a collection of garbage, hold the
    /// worker for longer than a gap may be? Then only who watches over the workers can answer in
    /// time, and the neighbours on the same worker have to wait.
    holds: bool,
}

impl Runaway {
    const fn new(class: &'static str, source: &'static str) -> Self {
        Self { class, source, kinds: &[ErrorKind::Timeout], holds: false }
    }

    /// It may also end by itself, in one of these ways.
    const fn or(self, kinds: &'static [ErrorKind]) -> Self {
        Self { kinds, ..self }
    }

    const fn holds(self) -> Self {
        Self { holds: true, ..self }
    }

    /// What fills the memory makes the collector walk all of it, which holds the worker too.
    fn may_hold(&self) -> bool {
        self.holds || self.kinds.contains(&ErrorKind::Memory)
    }
}

/// What a runaway that asks for more than there is may end with.
const MEMORY: &[ErrorKind] = &[ErrorKind::Timeout, ErrorKind::Memory];

/// The same if the language has an error of its own for it.
const TOO_MUCH: &[ErrorKind] = &[ErrorKind::Timeout, ErrorKind::Memory, ErrorKind::Raised];

const NEIGHBOURS: usize = 1_000;
const WORKERS: usize = 2;

/// How often a neighbour ticks.
const TICK: Duration = Duration::from_millis(100);

const DEADLINE: Duration = Duration::from_millis(200);

/// How late the answer may be. On a quiet machine it is promised within 100 ms, as the figures that are
/// printed tell; the rest is for machines that others use as well.
const LATE: Duration = Duration::from_millis(250);

/// How much longer than [`TICK`] 99 of 100 gaps between two ticks may be: 25 ms are promised, twice as
/// many and a slice are allowed for the same reason.
const GAP: Duration = Duration::from_millis(60);

/// How often a runaway is tried: what else the machine does can spoil one of them.
const TRIES: usize = 5;

/// When a worker counts as lost, and is left to itself.
const STUCK: Duration = Duration::from_secs(2);

/// When each neighbour ticked last, and how late the ticks were since somebody asked, by worker.
struct Ticks {
    last: Vec<Option<Instant>>,
    late: [Vec<Duration>; WORKERS],
}

impl Ticks {
    fn tick(&mut self, number: usize) {
        let now = Instant::now();
        if let Some(last) = self.last[number].replace(now) {
            self.late[number % WORKERS].push((now - last).saturating_sub(TICK));
        }
    }

    /// The 99th percentile of each worker and the worst, since the last time. A tick that is due
    /// and did not come counts too.
    fn take(&mut self) -> ([Duration; WORKERS], Duration) {
        let now = Instant::now();
        for (number, last) in self.last.iter().enumerate() {
            let due = last.map_or(Duration::ZERO, |last| (now - last).saturating_sub(TICK));
            if !due.is_zero() {
                self.late[number % WORKERS].push(due);
            }
        }
        let mut worst = Duration::ZERO;
        let percentiles = self.late.each_mut().map(|late| {
            late.sort();
            worst = worst.max(late.last().copied().unwrap_or_default());
            let percentile = late.get(late.len() * 99 / 100).copied().unwrap_or_default();
            late.clear();
            percentile
        });
        (percentiles, worst)
    }
}

/// The neighbours, and a place for runaways.
struct Street {
    broker: Broker,
    ticks: Arc<Mutex<Ticks>>,
    /// Those of the workers.
    threads: [Thread; WORKERS],
}

impl Street {
    async fn new() -> Self {
        let late = std::array::from_fn(|_| Vec::new());
        let ticks = Arc::new(Mutex::new(Ticks { last: vec![None; NEIGHBOURS], late }));
        let heard = ticks.clone();
        let broker = Broker::builder()
            .workers(WORKERS)
            .output(|_, _| {})
            .on_failure(|_| {})
            .native("ran", |_: usize| {})
            .native("one", || 1)
            .native_async("later", |value: Value| async move {
                tokio::task::yield_now().await;
                value
            })
            .native_async("never", std::future::pending::<()>)
            .native_async("pause", |millis: u64| tokio::time::sleep(Duration::from_millis(millis)))
            .native("tick", move |number: usize| {
                heard.lock().unwrap_or_else(PoisonError::into_inner).tick(number);
            })
            .build()
            .unwrap();
        let languages = languages(&broker);
        for number in 0..NEIGHBOURS {
            // Each language on each worker.
            let language = languages[number / WORKERS % languages.len()];
            let (name, worker) = (format!("n{number}"), number % WORKERS);
            let context = language.open_on(&broker, &name, worker).await.unwrap();
            let ticking =
                context.call::<()>(&format!("{name}.ticks"), (number, TICK.as_millis() as u64));
            tokio::spawn(ticking);
        }
        let threads = std::array::from_fn(|worker| Thread::newest(&format!("calog-{worker}")));
        let street = Self { broker, ticks, threads };
        // The first gaps are those of the opening.
        tokio::time::sleep(2 * TICK).await;
        street.take();
        street
    }

    fn kept_waiting(&self) -> [Duration; WORKERS] {
        self.threads.map(Thread::kept_waiting)
    }

    fn take(&self) -> ([Duration; WORKERS], Duration) {
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How a runaway ended. For how long the machine kept the workers from running is taken off: the
/// test says what calog does, not what else is going on.
struct Ended {
    result: Result<Value>,
    took: Duration,
    /// Of that, how long its worker had no processor.
    waited: Duration,
    percentiles: [Duration; WORKERS],
    worst: Duration,
    /// Its worker did not come back.
    stuck: bool,
    /// Can the context be used afterwards?
    after: Result<i64>,
}

impl Ended {
    fn wrong(&self, runaway: &Runaway) -> Vec<String> {
        let mut wrong = Vec::new();
        match &self.result {
            Err(error) if runaway.kinds.contains(&error.kind()) => {}
            other => wrong.push(format!("ended with {other:?}")),
        }
        // Who watches over a held worker does not wait for it.
        let late = if runaway.holds { self.took } else { self.took.saturating_sub(self.waited) };
        if late > DEADLINE + LATE {
            wrong.push(format!("took {:.0?}", self.took));
        }
        // The first worker is that of the runaway.
        let skip = usize::from(runaway.may_hold());
        let slow = self.percentiles.iter().enumerate().skip(skip).filter(|(_, gap)| **gap >= GAP);
        wrong.extend(slow.map(|(worker, gap)| format!("gaps of {gap:.1?} on worker {worker}")));
        match &self.after {
            // It is said to be held, and others were not let down.
            Err(error) if runaway.may_hold() && (self.stuck || error.kind() == ErrorKind::Busy) => {
            }
            Ok(7) => {}
            other => wrong.push(format!("afterwards {other:?}")),
        }
        wrong
    }
}

async fn run(street: &Street, language: &Language, source: &str) -> Ended {
    let name = "runaway";
    let context = language.open_on(&street.broker, name, 0).await.unwrap();
    let waited = street.kept_waiting();
    // The gaps that are on when the runaway begins have begun after this.
    tokio::time::sleep(TICK).await;
    street.take();
    let (start, begun) = (Instant::now(), street.kept_waiting()[0]);
    let call = context.eval::<Value>(source).deadline(DEADLINE);
    let result = tokio::time::timeout(STUCK, call).await;
    let (took, kept) = (start.elapsed(), street.kept_waiting()[0] - begun);
    let is_answered = result.is_ok();
    let result = result.unwrap_or_else(|_| Err(calog::Error::raised("no answer at all")));
    let after = async {
        let after = context.call::<i64>("runaway.plus", (0, 2)).await;
        context.close().await;
        after
    };
    let after = tokio::time::timeout(if is_answered { STUCK } else { LATE }, after).await;
    let stuck = after.is_err();
    let after = after.unwrap_or_else(|_| Err(calog::Error::raised("no answer afterwards")));
    let (mut percentiles, worst) = street.take();
    for (worker, now) in street.kept_waiting().into_iter().enumerate() {
        percentiles[worker] = percentiles[worker].saturating_sub(now - waited[worker]);
    }
    Ended { result, took, waited: kept, percentiles, worst, stuck, after }
}

/// Runs those of all languages that `wanted` chooses, and returns what was wrong.
async fn run_all(wanted: impl Fn(&Runaway) -> bool) -> Vec<String> {
    let mut street = Street::new().await;
    tokio::time::sleep(5 * TICK).await;
    let (calm, worst) = street.take();
    println!(
        "runaways: without one, the 99th percentile of the gaps is {calm:.1?}, worst {worst:.1?}"
    );
    let mut wrong = Vec::new();
    let (mut slowest, mut widest) = (Duration::ZERO, Duration::ZERO);
    for language in languages(&street.broker) {
        for runaway in language.runaways.iter().filter(|runaway| wanted(runaway)) {
            let mut problems = Vec::new();
            for _ in 0..TRIES {
                let ended = run(&street, language, runaway.source).await;
                problems = ended.wrong(runaway);
                let kind = ended.result.as_ref().err().map_or("ok", |error| error.kind().as_str());
                println!(
                    "  {:4} {:22} {kind:9} after {:6.0?} ({:.0?} without processor), gaps {:.0?} worst \
                     {:.0?} {}",
                    language.engine,
                    runaway.class,
                    ended.took,
                    ended.waited,
                    ended.percentiles,
                    ended.worst,
                    if problems.is_empty() { "" } else { "WRONG" },
                );
                if problems.is_empty() {
                    slowest = slowest.max(ended.took.saturating_sub(ended.waited));
                    widest = widest.max(ended.percentiles[WORKERS - 1]).max(ended.percentiles[0]);
                }
                if ended.stuck {
                    // Nobody waits for the one that is lost.
                    street = Street::new().await;
                }
                if problems.is_empty() || ended.stuck {
                    break;
                }
            }
            if !problems.is_empty() {
                let (engine, class) = (language.engine, runaway.class);
                wrong.push(format!("{engine} {class}: {}", problems.join(", ")));
            }
        }
    }
    println!(
        "runaways: {} are wrong; of the others the slowest took {slowest:.0?}, the widest gap was \
         {widest:.1?}",
        wrong.len()
    );
    drop(street);
    wrong
}

#[tokio::test]
#[ignore = "stress: a runaway of every class"]
async fn every_runaway_ends_at_its_deadline_beside_a_thousand_neighbours() {
    let held = Held::now();
    let wrong = run_all(|runaway| !runaway.may_hold()).await;
    Held::is_all_that_is_left(held).await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Tells the process that the test starts for itself that it is the one.
const CHILD: &str = "CALOG_STRESS_CHILD";

// In a process of its own, since threads that are lost would take the processors from other tests.
#[tokio::test]
#[ignore = "stress: runaways that hold their worker"]
async fn a_runaway_that_holds_its_worker_is_answered_at_its_deadline() {
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "a_runaway_that_holds_its_worker_is_answered_at_its_deadline";
        child.args(["--ignored", "--nocapture", name]).env(CHILD, "1");
        assert!(child.status().unwrap().success(), "see what it wrote above");
        return;
    }
    let wrong = run_all(Runaway::may_hold).await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
