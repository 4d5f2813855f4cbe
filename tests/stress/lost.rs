//! Nothing is lost: a million calls while contexts come and go.

use crate::{
    engines::{Language, at_rest, languages},
    random::Random,
    resources::{Held, MIB, forget_peak, mib, peak},
};
use calog::{Aggregate, Broker, Context, ErrorKind, Limits, Result, Value};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const CALLS: usize = 1_000_000;
const CALLERS: usize = 64;
const CONTEXTS: usize = 10_000;
const ALIVE: usize = 1_000;

const LONGEST: Duration = Duration::from_secs(120);
const MOST_MEMORY: usize = 600 * MIB;

/// When the test gives up: a call that is not answered by then is lost.
const LOST: Duration = Duration::from_secs(300);

/// The deadline of the calls that never end by themselves.
const DEADLINE: Duration = Duration::from_millis(2);

/// One call in so many is of that kind, since it holds its worker for a slice.
const SPINS: usize = 5_000;

/// The contexts that all impatient calls go to, and how many calls each context has room for: so
/// that some find none.
const CROWDED: usize = 2;
const ROOM: usize = 4;

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plus,
    Waits,
    Soon,
    Relays,
    Applies,
    SendsBack,
    Impatient,
    Fails,
    Spins,
    Dropped,
}

use Form::*;

const FORMS: &[Form] =
    &[Plus, Waits, Soon, Relays, Applies, SendsBack, Impatient, Fails, Plus, Dropped];

/// The contexts, and what is known of the calls.
struct Town {
    broker: Broker,
    languages: Vec<&'static Language>,
    /// `None` while one context makes room for the next.
    places: Vec<Mutex<Option<Context>>>,
    opened: AtomicUsize,
    closed: AtomicUsize,
    /// How often each call has run.
    ran: Arc<Vec<AtomicU8>>,
    ends: Mutex<BTreeMap<(Form, Option<&'static str>), usize>>,
}

impl Town {
    fn new() -> Self {
        let ran: Arc<Vec<AtomicU8>> = Arc::new((0..CALLS).map(|_| AtomicU8::new(0)).collect());
        let counts = ran.clone();
        let broker = Broker::builder()
            .workers(2)
            .limits(Limits::default().concurrent_calls(ROOM))
            .native("ran", move |number: usize| {
                counts[number].fetch_add(1, Relaxed);
            })
            .native_async("later", |value: Value| async move {
                tokio::task::yield_now().await;
                value
            })
            .build()
            .unwrap();
        Self {
            languages: languages(&broker),
            broker,
            places: (0..ALIVE).map(|_| Mutex::new(None)).collect(),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            ran,
            ends: Mutex::default(),
        }
    }

    /// Puts a new context in the place of the one that is there, if nobody else is about to.
    async fn renew(&self, place: usize, is_first: bool) -> Result<()> {
        let before = self.places[place].lock().unwrap().take();
        match before {
            Some(context) => {
                context.close().await;
                self.closed.fetch_add(1, Relaxed);
            }
            None if is_first => {}
            None => return Ok(()),
        }
        let number = self.opened.fetch_add(1, Relaxed);
        let language = self.languages[number % self.languages.len()];
        let context = language.open(&self.broker, &format!("c{place}")).await?;
        *self.places[place].lock().unwrap() = Some(context);
        Ok(())
    }

    /// Some context of the first `places` that is there now, and its name.
    fn some(&self, random: &mut Random, places: usize) -> (Context, String) {
        loop {
            let place = random.below(places);
            if let Some(context) = self.places[place].lock().unwrap().clone() {
                return (context, format!("c{place}"));
            }
        }
    }

    /// Makes call `number` and returns what was wrong with it.
    async fn call(&self, number: usize, random: &mut Random) -> Option<String> {
        let form = if random.below(SPINS) == 0 { Spins } else { *random.pick(FORMS) };
        let (context, name) = self.some(random, if form == Impatient { CROWDED } else { ALIVE });
        let (other, other_name) = self.some(random, ALIVE);
        let x = i64::try_from(number).unwrap();
        let at = |function: &str| format!("{name}.{function}");
        let wanted = Value::from(x * 3 + 1);
        let (result, wanted) = match form {
            Plus => (context.call::<Value>(&at("plus"), (number, x)).await, wanted),
            Waits => (context.call(&at("waits"), (number, x)).await, wanted),
            Soon => (context.call(&at("soon"), (number, x)).await, wanted),
            Relays => {
                let callee = format!("{other_name}.waits");
                (context.call(&at("relays"), (number, x, callee)).await, wanted)
            }
            Applies => match other.function(&format!("{other_name}.plus")) {
                Ok(callee) => (context.call(&at("applies"), (number, x, callee)).await, wanted),
                Err(error) => (Err(error), wanted),
            },
            SendsBack => {
                let mut map = Aggregate::new();
                map.insert("text", format!("value {x}"));
                map.insert("list", Value::list([x, x + 1]));
                let map = Value::from(map);
                (context.call(&at("sends_back"), (number, map.clone())).await, map)
            }
            Impatient => (context.try_call(&at("waits"), (number, x)).await, wanted),
            Fails => (context.call(&at("fails"), (number, x)).await, Value::Nil),
            Spins => (context.call(&at("spins"), (number,)).deadline(DEADLINE).await, Value::Nil),
            Dropped => {
                let mut call = context.call(&at("waits"), (number, x));
                match futures::poll!(&mut call) {
                    std::task::Poll::Ready(result) => (result, wanted),
                    std::task::Poll::Pending => (Ok(wanted.clone()), wanted),
                }
            }
        };
        let kind = result.as_ref().err().map(calog::Error::kind);
        *self.ends.lock().unwrap().entry((form, kind.map(ErrorKind::as_str))).or_default() += 1;
        let may_be = match form {
            // Nobody promises that the other one is still there.
            Relays => &[ErrorKind::NotFound, ErrorKind::Dead][..],
            Impatient => &[ErrorKind::Busy, ErrorKind::Dead],
            Spins => &[ErrorKind::Timeout, ErrorKind::Dead],
            Fails => &[ErrorKind::Raised, ErrorKind::Dead],
            _ => &[ErrorKind::Dead],
        };
        let ran = self.ran[number].load(Relaxed);
        let is_right = match (&result, kind) {
            (Ok(value), _) if form == Dropped => ran <= 1 && *value == wanted,
            (Ok(value), _) => ran == 1 && *value == wanted && form != Fails,
            (_, Some(ErrorKind::Busy | ErrorKind::NotFound)) if ran > 0 => false,
            (Err(error), Some(ErrorKind::Raised)) => {
                ran == 1 && form == Fails && error.message().ends_with(&format!("no {x}"))
            }
            (_, Some(kind)) => ran <= 1 && may_be.contains(&kind),
            (Err(_), None) => false,
        };
        let shown = || format!("call {number}, {form:?} of {name}, ran {ran} times: {result:?}");
        (!is_right).then(shown)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: a million calls"]
async fn a_million_calls_are_answered_while_ten_thousand_contexts_come_and_go() {
    let held = Held::now();
    forget_peak();
    let start = Instant::now();
    let town = Arc::new(Town::new());
    for place in 0..ALIVE {
        town.renew(place, true).await.unwrap();
    }
    let opened = start.elapsed();
    let next = Arc::new(AtomicUsize::new(0));
    let callers = (0..CALLERS).map(|caller| {
        let (town, next) = (town.clone(), next.clone());
        tokio::spawn(async move {
            let mut random = Random::new(caller as u64);
            let mut wrong = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= CALLS {
                    return wrong;
                }
                wrong.extend(town.call(number, &mut random).await);
                // The contexts are spread evenly over the calls.
                let due = ALIVE + number * (CONTEXTS - ALIVE) / (CALLS * 99 / 100);
                if town.opened.load(Relaxed) < due.min(CONTEXTS)
                    && let Err(error) = town.renew(random.below(ALIVE), false).await
                {
                    wrong.push(format!("a context did not open: {error:?}"));
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut wrong = Vec::new();
    let all = async {
        for caller in callers {
            wrong.extend(caller.await.unwrap());
        }
    };
    let in_time = tokio::time::timeout(LOST, all).await;
    let calls_took = start.elapsed();
    let answered: usize = town.ends.lock().unwrap().values().sum();
    for ((form, kind), count) in &*town.ends.lock().unwrap() {
        println!("  {form:?}: {} {count}", kind.unwrap_or("ok"));
    }
    let (opened_all, closed) = (town.opened.load(Relaxed), town.closed.load(Relaxed));
    println!(
        "lost: {answered} calls answered in {calls_took:.1?} ({:.0} a second), the first {ALIVE} \
         contexts open after {opened:.2?}, {opened_all} opened and {closed} closed, peak {}",
        answered as f64 / (calls_took - opened).as_secs_f64(),
        mib(peak()),
    );
    assert!(in_time.is_ok(), "{} calls are lost", CALLS - answered);
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert_eq!(answered, CALLS);
    assert!(opened_all >= CONTEXTS - CALLERS, "only {opened_all} contexts were opened");
    for context in town.broker.contexts() {
        at_rest(&context, None).await;
    }
    let twice = town.ran.iter().filter(|ran| ran.load(Relaxed) > 1).count();
    assert_eq!(twice, 0, "calls ran more than once");
    let busy = town.ends.lock().unwrap().get(&(Impatient, Some("busy"))).copied();
    assert!(busy.is_some(), "no context was ever full");
    town.broker.shutdown(LONGEST).await.unwrap();
    assert!(town.broker.contexts().is_empty());
    let took = start.elapsed();
    Held::is_all_that_is_left(held).await;
    assert!(took < LONGEST, "it took {took:?}");
    assert!(peak().is_none_or(|peak| peak < MOST_MEMORY), "the peak was {}", mib(peak()));
}
