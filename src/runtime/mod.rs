//! The runtime: contexts as actors on workers.
//!
//! - `worker`: threads with a `LocalSet`, or the caller's own; `idle`: how such a thread waits.
//! - `actor`: the loop of a context, which enters its interpreter; `local`: the short way there for calls
//!   from the same worker.
//! - `background`: what a context does without being called.
//! - `console`: what its scripts print and read.
//! - `mailbox`: the queue before it. `reply`, `answer`: what comes back. `context`: its address, and calog as its interpreter sees it.
//! - `directory`: contexts by id, exports by name. `recent`: what a thread has found there lately.
//! - `watchdog`: ends slices, and answers for workers that are held; `waiting`: whom it answers.
//! - `stats`: what all of it does.

mod actor;
mod answer;
mod background;
mod console;
mod context;
mod directory;
mod flight;
mod idle;
mod local;
mod mailbox;
mod recent;
mod reply;
mod room;
mod running;
mod scope;
mod stats;
mod waiting;
mod watchdog;
mod worker;

pub(crate) use answer::Answer;
pub(crate) use console::Output;
pub(crate) use context::{Address, Began, Settings, Wish};
pub(crate) use directory::Directory;
pub(crate) use mailbox::{Control, Work, ended};
pub use stats::{ContextStats, Stats, Usage};
pub use worker::WorkerStats;

use crate::{
    chain::Chain,
    engine::Engine,
    error::{Error, ErrorKind, Result},
    fiber::Slots,
    limits::{Fidelity, Limits},
    native::Native,
    value::{Function, Value},
};
use futures::future::join_all;
use std::{
    cell::{Cell, RefCell},
    ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::LocalSet,
    time::Instant,
};
use worker::{Job, Late, Threads, Worker};

/// A call that failed while nobody waited for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the context whose call it was.
    pub context: Arc<str>,
    /// What went wrong.
    pub error: Error,
}

/// What all parts of one broker share.
pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) limits: Limits,
    pub(crate) fidelity: Fidelity,
    pub(crate) output: Output,
    /// Gives a line of input; without one, there is none.
    pub(crate) input: Option<Native>,
    pub(crate) on_failure: Box<dyn Fn(Failure) + Send + Sync>,
    workers: Vec<Arc<Worker>>,
    /// Workers are interrupted by a signal.
    pub(crate) signals: bool,
    /// Where the next context goes: round robin.
    next: AtomicUsize,
    closing: AtomicBool,
    /// Numbers the chains of calls.
    chains: Arc<AtomicU64>,
    /// Numbers what natives keep for contexts.
    pub(crate) handles: Arc<AtomicU64>,
    /// How many tasks of its own all contexts have together.
    pub(crate) tasks: watch::Sender<usize>,
}

/// What a broker is built from.
pub(crate) struct Parts {
    pub(crate) natives: Vec<Native>,
    pub(crate) data: Vec<(String, Value)>,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) limits: Limits,
    pub(crate) fidelity: Fidelity,
    pub(crate) output: Output,
    pub(crate) input: Option<Native>,
    pub(crate) on_failure: Box<dyn Fn(Failure) + Send + Sync>,
    pub(crate) signals: bool,
}

/// How long the drop of a broker waits for its workers. They need some milliseconds unless one is
/// held, and that one must not hold up whoever drops the broker.
const DROP_WAIT: Duration = Duration::from_secs(1);

/// A running broker: what its last face holds. Dropping it ends everything.
pub(crate) struct Runtime {
    pub(crate) shared: Arc<Shared>,
    /// Those that are not joined yet. Locked while somebody waits for one.
    threads: tokio::sync::Mutex<Threads>,
    /// Somebody has waited for their end in vain.
    was_late: AtomicBool,
}

impl Runtime {
    /// Starts `workers` threads.
    ///
    /// # Errors
    /// `denied` or `type` for the names of natives, `io` if the system refuses a thread.
    pub(crate) fn threaded(parts: Parts, workers: usize) -> Result<Self> {
        let slots = Slots::new(parts.signals);
        let seats = Arc::default();
        let (workers, jobs): (Vec<_>, Vec<_>) =
            (0..workers.max(1)).map(|number| Worker::new(number, false, &seats)).unzip();
        let shared = Shared::new(parts, workers)?;
        // Before the first thread starts: should a later one fail, the drop ends those that run.
        let mut runtime =
            Self { shared, threads: tokio::sync::Mutex::default(), was_late: false.into() };
        let threads = runtime.threads.get_mut();
        for (worker, jobs) in runtime.shared.workers.iter().zip(jobs) {
            threads.start(worker, jobs, &slots, runtime.shared.limits.slice)?;
        }
        threads.watched_by(watchdog::start(&slots, &runtime.shared)?);
        Ok(runtime)
    }

    /// Runs everything on `local`, whoever drives that.
    ///
    /// # Errors
    /// `denied` or `type` for the names of natives.
    pub(crate) fn inline(parts: Parts, local: &LocalSet) -> Result<Self> {
        let (worker, jobs) = Worker::new(0, true, &Arc::default());
        let shared = Shared::new(parts, vec![worker])?;
        drop(local.spawn_local(worker::serve(jobs)));
        let threads = tokio::sync::Mutex::default();
        Ok(Self { shared, threads, was_late: false.into() })
    }

    /// Ends everything, and waits for it.
    ///
    /// # Errors
    /// `timeout` if a worker has not ended by then; it goes on ending by itself.
    pub(crate) async fn shutdown(&self, limit: Duration) -> Result<()> {
        /// The workers take no more contexts when the wait is over, however that came.
        struct Closing<'a>(&'a Shared);
        impl Drop for Closing<'_> {
            fn drop(&mut self) {
                self.0.close_workers();
            }
        }
        // Some thirty years stand for a limit that no clock reaches.
        const FAR: Duration = Duration::from_secs(1_000_000_000);
        let until = Instant::now() + limit.min(FAR);
        let late = |what: &str| {
            self.was_late.store(true, Ordering::Relaxed);
            Error::new(ErrorKind::Timeout, format!("{what} did not end in time"))
        };
        self.shared.closing.store(true, Ordering::SeqCst);
        let closing = Closing(&self.shared);
        let contexts = self.shared.directory.contexts();
        let ends = join_all(contexts.iter().map(|context| context.close()));
        let in_time = tokio::time::timeout_at(until, ends).await;
        drop(closing);
        in_time.map_err(|_| late("a context"))?;
        let threads = tokio::time::timeout_at(until, self.threads.lock()).await;
        let mut threads = threads.map_err(|_| late("a worker"))?;
        threads.join(until).await.map_err(|Late| late("a worker"))
    }
}

impl Drop for Runtime {
    /// The workers answer what is open and end. Whoever drops the broker waits for them, though not
    /// for long, and not on a thread that they need.
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for context in self.shared.directory.contexts() {
            context.mailbox.control(Control::Stop);
        }
        self.shared.close_workers();
        // Once is enough for a worker that is held.
        if !self.shared.is_worker() && !self.was_late.load(Ordering::Relaxed) {
            self.threads.get_mut().join_blocking(DROP_WAIT);
        }
    }
}

impl Shared {
    fn new(parts: Parts, workers: Vec<Arc<Worker>>) -> Result<Arc<Self>> {
        let Parts { natives, data, engines, mut limits, fidelity, .. } = parts;
        let Parts { output, input, on_failure, signals, .. } = parts;
        limits.value_depth = limits.value_depth.min(Limits::MOST_VALUE_DEPTH);
        limits.slice = limits.slice.clamp(Limits::SHORTEST_SLICE, Limits::LONGEST_SLICE);
        Ok(Arc::new(Self {
            directory: Directory::new(natives, data)?,
            engines,
            limits,
            fidelity,
            output,
            input,
            on_failure,
            workers,
            signals,
            next: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            chains: Arc::default(),
            handles: Arc::default(),
            tasks: watch::Sender::new(0),
        }))
    }

    /// Tells the brokers of a process apart while they live: nothing else has this address.
    pub(crate) fn token(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// The begin of a chain of calls, for a call from the host.
    pub(crate) fn root(&self) -> Chain {
        let number = self.chain_number();
        Chain { number, depth: 0, deadline: None, fidelity: None }
    }

    /// The next number of a chain. Each thread takes some at a time, so that they seldom meet here.
    fn chain_number(&self) -> u64 {
        const AT_A_TIME: u64 = 64;
        thread_local! {
            /// The counter that the thread's numbers are from.
            static FROM: Cell<*const AtomicU64> = const { Cell::new(ptr::null()) };
            /// The last number that was used. After a multiple of `AT_A_TIME` others follow.
            static LAST: Cell<u64> = const { Cell::new(0) };
            /// That counter again: while it is held, none of a later broker has its address.
            static HELD: RefCell<Weak<AtomicU64>> = const { RefCell::new(Weak::new()) };
        }
        let mut last = LAST.get();
        if last.is_multiple_of(AT_A_TIME) || FROM.get() != Arc::as_ptr(&self.chains) {
            last = self.chains.fetch_add(AT_A_TIME, Ordering::Relaxed);
            FROM.set(Arc::as_ptr(&self.chains));
            // At the end of a thread there may be no place for it, and no later broker.
            let _ = HELD.try_with(|held| held.replace(Arc::downgrade(&self.chains)));
        }
        LAST.set(last + 1);
        last + 1
    }

    /// Why a context ends now.
    pub(crate) fn why_ended(&self) -> ErrorKind {
        match self.closing.load(Ordering::Acquire) {
            true => ErrorKind::Shutdown,
            false => ErrorKind::Dead,
        }
    }

    /// Is `function` one of this broker's?
    pub(crate) fn admit(&self, function: &Function) -> Result<()> {
        if function.broker() == self.token() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "the function belongs to another broker"))
    }

    fn close_workers(&self) {
        for worker in &self.workers {
            worker.close();
        }
    }

    /// The worker for a new context: `wanted`, or the next one in turn, but rather one that is not
    /// held, and none that does not respond.
    ///
    /// # Errors
    /// `range` if there is no such worker, `busy` if it or all of them do not respond.
    fn place(&self, wanted: Option<usize>) -> Result<&Arc<Worker>> {
        let count = self.workers.len();
        let found = match wanted {
            Some(wanted) => {
                let none = || {
                    let message = format!("no worker {wanted}: there are {count}");
                    Error::new(ErrorKind::Range, message)
                };
                Some(self.workers.get(wanted).ok_or_else(none)?)
            }
            None => {
                let next = self.next.fetch_add(1, Ordering::Relaxed) % count;
                let (before, from) = self.workers.split_at(next);
                from.iter().chain(before).min_by_key(|worker| (worker.is_stuck(), worker.is_held()))
            }
        };
        found.filter(|worker| !worker.is_stuck()).ok_or_else(unresponsive)
    }

    /// Opens a context on `worker`, or on the next one in turn.
    pub(crate) async fn open(
        self: &Arc<Self>,
        settings: Settings,
        worker: Option<usize>,
    ) -> Result<Arc<Address>> {
        let worker = self.place(worker)?;
        let enter = |id| Address::new(id, settings, self.clone(), worker.clone());
        let entered = Entered(Some(self.directory.enter(enter)?));
        let Some(address) = entered.0.clone() else { return Err(ended(ErrorKind::Dead)) };
        let (opened, open) = oneshot::channel();
        let job = Job { ending: actor::Ending(address.clone()), opened };
        // After it was entered: either a shutdown finds it in the directory, or it is seen here.
        let closing = self.closing.load(Ordering::SeqCst);
        if closing || !worker.send(job) {
            return Err(ended(ErrorKind::Shutdown));
        }
        match worker.wait(None, open).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(ended(ErrorKind::Shutdown)),
            Err(_) => return Err(unresponsive()),
        }
        entered.keep();
        Ok(address)
    }

    /// What everybody uses and does now.
    pub(crate) fn stats(&self) -> Stats {
        let contexts: Vec<_> =
            self.directory.contexts().iter().map(|context| context.stats()).collect();
        let on = |number| contexts.iter().filter(|context| context.worker == number).count();
        let workers = self.workers.iter().enumerate();
        let workers = workers.map(|(number, worker)| worker.stats(on(number))).collect();
        Stats { contexts, workers }
    }
}

/// The error for whom a worker would have to serve that does not respond.
pub(crate) fn unresponsive() -> Error {
    Error::new(ErrorKind::Busy, "the worker does not respond: a script or a native holds it")
}

/// Ends a context again unless whoever opens it hears of it.
struct Entered(Option<Arc<Address>>);

impl Entered {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(address) = self.0.take() {
            // It leaves the directory when it has ended: until then its names are its own.
            address.mailbox.control(Control::Stop);
        }
    }
}
