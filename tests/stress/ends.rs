//! Calls that are ended at every point of their way: each is answered once, and nothing is left.

use crate::{
    engines::{Language, at_rest, languages},
    random::Random,
    resources::Held,
};
use calog::{Broker, Call, Context, ErrorKind, Function, Host, Limits, Result, Value};
use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// How many times a call is ended at each point.
const SEEDS: u64 = 1_000;

/// When a call that was ended counts as lost.
const LOST: Duration = Duration::from_secs(20);

const LONGEST: Duration = Duration::from_secs(120);

/// The shortest deadline and the longest wait before the end, in microseconds.
const MOMENT: usize = 2_000;

/// Where a call is when it is ended: a function of the first context, and what it is given.
struct Point {
    name: &'static str,
    function: &'static str,
    /// Is it given the name of the second context?
    takes_other: bool,
    /// The workers of the two contexts.
    workers: [usize; 2],
    how: How,
}

/// What is particular about a point.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// The script says when it is there.
    Reached,
    /// The end comes before the context has looked at the call.
    Queued,
    /// Another call has the only room.
    Crowded,
    /// It is no function but a source.
    Loading,
    /// Another context of the worker computes as well.
    Preempted,
    /// The context is being closed already.
    Closing,
}

use How::*;

const fn point(name: &'static str, function: &'static str) -> Point {
    Point { name, function, takes_other: false, workers: [0, 0], how: Reached }
}

impl Point {
    const fn with(self, how: How) -> Self {
        Self { how, ..self }
    }

    /// It calls a function of the second context.
    const fn to(self, function: &'static str, worker: usize) -> Self {
        Self { function, takes_other: true, workers: [0, worker], ..self }
    }
}

const POINTS: &[Point] = &[
    point("queued", "holds").with(Queued),
    point("waiting for room", "holds").with(Crowded),
    point("loading", "").with(Loading),
    point("running", "computes"),
    point("preempted", "computes").with(Preempted),
    point("waiting on an async native", "holds"),
    point("waiting on a blocking native", "blocks"),
    point("waiting on a host native", "asks"),
    point("waiting on the same worker", "").to("through", 0),
    point("waiting on another worker", "").to("through", 1),
    point("in a nested call", "").to("nests", 0),
    point("in a nested call across workers", "").to("nests", 1),
    point("while it replies", "").to("asks_for_replies", 0),
    point("while it replies to another worker", "").to("asks_for_replies", 1),
    point("in a handler", "cleans"),
    point("catching its end", "catches"),
    point("in a callback", "calls_back"),
    point("in a coroutine or a promise", "comes_from_inside"),
    point("during the close", "holds").with(Closing),
];

/// How a call is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// The caller drops its future.
    Dropped,
    Deadline,
    /// The context that the call has come to is closed.
    CalleeCloses,
    /// The context that the host has called is closed.
    CallerCloses,
}

const FORMS: &[Form] = &[Form::Dropped, Form::Deadline, Form::CalleeCloses, Form::CallerCloses];

/// What waits in natives.
#[derive(Default)]
struct Waits {
    /// How many are in a native now.
    inside: AtomicUsize,
    /// Raised by each that arrives.
    arrived: Option<Arc<Semaphore>>,
    /// How often those in blocking natives were let go.
    let_go: Mutex<usize>,
    changed: Condvar,
}

/// One that is inside.
struct Inside(Arc<Waits>);

impl Inside {
    fn new(waits: &Arc<Waits>) -> Self {
        waits.inside.fetch_add(1, SeqCst);
        waits.arrive();
        Self(waits.clone())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, SeqCst);
    }
}

impl Waits {
    fn arrive(&self) {
        self.arrived.as_ref().unwrap().add_permits(1);
    }

    fn block(&self) {
        let seen = *self.let_go.lock().unwrap();
        let guard = self.let_go.lock().unwrap();
        drop(self.changed.wait_timeout_while(guard, LOST, |now| *now == seen).unwrap());
    }

    fn let_go(&self) {
        *self.let_go.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

/// A broker, and one context of each language on each worker, twice.
struct World {
    broker: Broker,
    host: Host,
    waits: Arc<Waits>,
    arrived: Arc<Semaphore>,
    languages: Vec<&'static Language>,
    contexts: BTreeMap<String, (Context, usize)>,
}

impl World {
    fn new() -> Self {
        let arrived = Arc::new(Semaphore::new(0));
        let waits = Arc::new(Waits { arrived: Some(arrived.clone()), ..Waits::default() });
        let (held, blocked, reached) = (waits.clone(), waits.clone(), waits.clone());
        let (broker, host) = Broker::builder()
            .workers(2)
            .limits(Limits::default().concurrent_calls(1).slice(Duration::from_micros(300)))
            .output(|_, _| {})
            .on_failure(|_| {})
            .native("reach", move || reached.arrive())
            .native_async("hold", move || {
                let inside = Inside::new(&held);
                async move {
                    let _inside = inside;
                    pending::<()>().await;
                }
            })
            .native_blocking("block", move || {
                let _inside = Inside::new(&blocked);
                blocked.block();
            })
            .native_host("ask", || 1)
            .native_async("apply", |f: Function| async move { f.call_raw(Vec::new()).await })
            .build_with_host()
            .unwrap();
        let languages = languages(&broker);
        Self { broker, host, waits, arrived, languages, contexts: BTreeMap::new() }
    }

    /// The context of `language` on `worker`; `side` tells two of them apart.
    async fn context(&mut self, language: usize, worker: usize, side: &str) -> (Context, String) {
        let name = format!("{side}{language}{worker}");
        if !self.contexts.contains_key(&name) {
            let language = self.languages[language];
            let context = language.open_on(&self.broker, &name, worker).await.unwrap();
            let handles = context.usage().await.unwrap().handles;
            self.contexts.insert(name.clone(), (context, handles));
        }
        (self.contexts[&name].0.clone(), name)
    }

    /// Ends one call; returns how it was answered, unless nobody waited.
    async fn end(
        &mut self,
        point: &Point,
        form: Form,
        random: &mut Random,
    ) -> Option<Result<Value>> {
        let first = random.below(self.languages.len());
        let second = random.below(self.languages.len());
        let (a, a_name) = self.context(first, point.workers[0], "a").await;
        let (b, b_name) = self.context(second, point.workers[1], "b").await;
        while let Ok(permit) = self.arrived.try_acquire() {
            permit.forget();
        }
        let moment = Duration::from_micros(random.below(MOMENT) as u64);
        let deadline = (form == Form::Deadline).then_some(moment);
        let set = |call: Call<Value>| match deadline {
            Some(deadline) => call.deadline(deadline),
            None => call,
        };
        let mut other = None;
        match point.how {
            Crowded => {
                let mut first = a.call::<Value>(&format!("{a_name}.holds"), ());
                tokio::select! {
                    _ = &mut first => panic!("it should hold"),
                    permit = self.arrived.acquire() => permit.unwrap().forget(),
                }
                other = Some(first);
            }
            Preempted => {
                let mut spins = b.call::<Value>(&format!("{b_name}.computes"), ());
                assert!(futures::poll!(&mut spins).is_pending());
                other = Some(spins);
            }
            _ => {}
        }
        let function = format!("{a_name}.{}", point.function);
        let mut call = set(match (point.how, point.takes_other, point.function) {
            (Loading, ..) => a.eval(self.languages[first].holds),
            (_, true, "through") => a.call(&function, (format!("{b_name}.holds"),)),
            (_, true, _) => a.call(&function, (b_name.clone(),)),
            _ => a.call(&function, ()),
        });
        let mut answer = None;
        match point.how {
            Queued | Crowded => {
                if let std::task::Poll::Ready(result) = futures::poll!(&mut call) {
                    answer = Some(result);
                }
            }
            // A host native is reached when it is in the host's queue, which nobody else sees.
            _ if point.function == "asks" => {
                tokio::select! {
                    result = &mut call => answer = Some(result),
                    () = tokio::time::sleep(moment) => {}
                }
            }
            _ => tokio::select! {
                result = &mut call => answer = Some(result),
                permit = self.arrived.acquire() => permit.unwrap().forget(),
            },
        }
        let callee = if point.takes_other { (&b, &b_name) } else { (&a, &a_name) };
        if answer.is_none() && form != Form::Deadline && random.below(2) == 0 {
            tokio::time::sleep(moment).await;
        }
        let mut closing = Vec::new();
        if point.how == Closing {
            let closes = a.clone();
            closing.push((tokio::spawn(async move { closes.close().await }), a_name.clone()));
        }
        match form {
            Form::Dropped => {
                drop(call);
                call = a.call("", ());
            }
            Form::Deadline => {}
            Form::CalleeCloses | Form::CallerCloses => {
                let (context, name) =
                    if form == Form::CalleeCloses { callee } else { (&a, &a_name) };
                let closes = context.clone();
                closing.push((tokio::spawn(async move { closes.close().await }), name.clone()));
            }
        }
        if form != Form::Dropped && answer.is_none() {
            let result = tokio::time::timeout(LOST, call).await;
            answer = Some(result.unwrap_or_else(|_| panic!("lost: {}, {form:?}", point.name)));
        }
        drop(other);
        self.waits.let_go();
        for (close, name) in closing {
            tokio::time::timeout(LOST, close).await.expect("the close hangs").unwrap();
            self.contexts.remove(&name);
        }
        self.rest().await;
        answer
    }

    /// Waits until all that is left of a call is gone.
    async fn rest(&mut self) {
        for (context, handles) in self.contexts.values() {
            at_rest(context, Some(*handles)).await;
        }
        let start = Instant::now();
        while self.waits.inside.load(SeqCst) > 0 || self.host.pump() > 0 {
            // A blocking native may have begun after the others were let go.
            self.waits.let_go();
            assert!(start.elapsed() < LOST, "somebody is left in a native");
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
}

/// May a call that was ended like that be answered like this?
fn is_right(point: &Point, form: Form, answer: &Option<Result<Value>>) -> bool {
    let is_about_to_end = point.function == "asks_for_replies";
    let kind = match answer {
        None => return form == Form::Dropped,
        Some(Ok(_)) => return is_about_to_end,
        Some(Err(error)) => error.kind(),
    };
    match (form, kind) {
        (Form::Deadline, ErrorKind::Timeout) => true,
        (Form::Deadline, kind) => point.how == Closing && kind == ErrorKind::Dead,
        (Form::CalleeCloses | Form::CallerCloses, ErrorKind::Dead) => true,
        // It was gone before the first context called it.
        (Form::CalleeCloses, ErrorKind::NotFound) => point.takes_other,
        (Form::Dropped, kind) => point.how == Closing && kind == ErrorKind::Dead,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "stress: calls that are ended everywhere"]
async fn a_call_that_is_ended_anywhere_is_answered_once_and_leaves_nothing() {
    let held = Held::now();
    let start = Instant::now();
    let mut world = World::new();
    let mut wrong = Vec::new();
    for (number, point) in (0..).zip(POINTS) {
        let begin = Instant::now();
        let mut ends = BTreeMap::<(Form, &str), usize>::new();
        for seed in 0..SEEDS {
            let mut random = Random::new(number * SEEDS + seed);
            let form = *random.pick(FORMS);
            let answer = world.end(point, form, &mut random).await;
            let word = match &answer {
                None => "given up",
                Some(Ok(_)) => "ok",
                Some(Err(error)) => error.kind().as_str(),
            };
            *ends.entry((form, word)).or_default() += 1;
            if !is_right(point, form, &answer) {
                wrong.push(format!("{}, seed {seed}, {form:?}: {answer:?}", point.name));
            }
        }
        println!("  {} in {:.1?}: {ends:?}", point.name, begin.elapsed());
    }
    let took = start.elapsed();
    println!(
        "ends: {} calls at {} points in {took:.1?}",
        SEEDS as usize * POINTS.len(),
        POINTS.len()
    );
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    for (context, _) in world.contexts.into_values() {
        context.close().await;
    }
    assert!(world.broker.contexts().is_empty());
    world.broker.shutdown(LOST).await.unwrap();
    Held::is_all_that_is_left(held).await;
    assert!(took < LONGEST, "it took {took:?}");
}
