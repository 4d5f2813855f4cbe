//! Workers: threads with a `LocalSet`, or the caller's own.

use super::{
    Shared, actor,
    background::Background,
    console::Console,
    idle::{self, Bell, Looks},
    reply::Seats,
    scope::ContextScope,
    waiting::{self, GaveUp, Waiting},
};
use crate::{
    error::{Error, Result},
    fiber::{self, Slot, Slots},
};
use std::{
    cell::Cell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, task::LocalSet};

thread_local! {
    /// The worker that this thread is.
    static HERE: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// A worker as everybody sees it.
pub(crate) struct Worker {
    jobs: async_channel::Sender<Job>,
    waiting: Waiting,
    bell: Arc<Bell>,
    looks: Looks,
    slot: Arc<Slot>,
    /// It has no thread of its own, and nobody watches it.
    is_inline: bool,
    counts: Counts,
}

/// What a worker has done. Only it counts itself, so that no two additions meet, and does so on a line of
/// the cache that nobody else reads for a call.
#[derive(Default)]
#[repr(align(128))]
struct Counts {
    slices: AtomicU64,
    calls: AtomicU64,
    kills: AtomicU64,
}

/// What one worker has done since the broker was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Contexts that live on it now.
    pub contexts: usize,
    /// How often one of its contexts had its turn.
    pub slices: u64,
    /// How often a script was suspended because its slice was over. 0 in inline mode, where nobody
    /// counts.
    pub preemptions: u64,
    /// Calls that began.
    pub calls: u64,
    /// Calls that were ended before their script had: by a deadline, by a caller that gave up, or by
    /// the end of their context.
    pub kills: u64,
    /// It does not respond, for longer than
    /// [`Limits::stuck_after`](crate::Limits::stuck_after).
    pub is_stuck: bool,
}

impl Worker {
    /// Whoever waits for it sits in `seats`.
    pub(crate) fn new(
        number: usize,
        is_inline: bool,
        seats: &Arc<Seats>,
    ) -> (Arc<Self>, async_channel::Receiver<Job>) {
        let (jobs, receiver) = async_channel::unbounded();
        let worker = Self {
            jobs,
            waiting: Waiting::new(number, seats.clone()),
            bell: Arc::default(),
            looks: Looks::default(),
            slot: Arc::new(Slot::new(number)),
            is_inline,
            counts: Counts::default(),
        };
        (Arc::new(worker), receiver)
    }

    pub(crate) fn number(&self) -> usize {
        self.slot.number()
    }

    /// Is the calling thread the worker's own?
    pub(crate) fn is_here(&self) -> bool {
        ptr::eq(HERE.get(), self)
    }

    /// Does somebody answer in its place for the calling thread, should it be held? Whoever is on it
    /// cannot be answered anyway then.
    pub(crate) fn is_watched_from_here(&self) -> bool {
        !self.is_inline && !self.is_here()
    }

    /// Is somebody who calls from another thread likely to be answered at once, and has his thread
    /// nothing else to do, as far as that can be seen from here?
    pub(crate) fn is_worth_a_look(&self) -> bool {
        self.waiting.is_empty_here() && !self.bell.is_asleep() && self.looks.is_worth_it()
    }

    /// Was an answer seen that somebody looked for?
    pub(crate) fn note_look(&self, was_seen: bool) {
        self.looks.note(was_seen);
    }

    /// Waits for `future`, which the worker is to complete, but not for a worker that is held: then
    /// only until `until`, and not at all once the worker counts as stuck.
    ///
    /// # Errors
    /// Why it was given up.
    pub(crate) async fn wait<F: Future>(
        &self,
        until: Option<Instant>,
        future: F,
    ) -> Result<F::Output, GaveUp> {
        let waiting = self.is_watched_from_here().then_some(&self.waiting);
        waiting::wait(waiting, until, future).await
    }

    pub(super) fn is_held(&self) -> bool {
        self.waiting.is_held()
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.waiting.is_stuck()
    }

    /// Those who wait for it.
    pub(super) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Sends a context to it. `false`: it has ended.
    pub(super) fn send(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// It takes no more contexts, and ends when it has none.
    pub(super) fn close(&self) {
        self.jobs.close();
    }

    pub(super) fn count_slice(&self) {
        add_one(&self.counts.slices);
    }

    pub(super) fn count_call(&self) {
        add_one(&self.counts.calls);
    }

    pub(super) fn count_kill(&self) {
        add_one(&self.counts.kills);
    }

    pub(super) fn stats(&self, contexts: usize) -> WorkerStats {
        WorkerStats {
            contexts,
            slices: self.counts.slices.load(Relaxed),
            preemptions: self.slot.preemptions(),
            calls: self.counts.calls.load(Relaxed),
            kills: self.counts.kills.load(Relaxed),
            is_stuck: self.is_stuck(),
        }
    }
}

/// Adds one to a counter that only this thread changes.
fn add_one(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Opens a context on the worker that receives it, and says how that went.
pub(crate) struct Job {
    pub(super) ending: actor::Ending,
    pub(crate) opened: oneshot::Sender<Result<()>>,
}

/// Serves a worker: opens the contexts that are sent to it, until the sender is gone.
///
/// Must run inside a `LocalSet`, which then runs the contexts.
pub(crate) fn serve(jobs: async_channel::Receiver<Job>) -> impl Future<Output = ()> {
    /// A channel without a receiver keeps what is in it: whoever waits there must hear of the end.
    struct Drain(async_channel::Receiver<Job>);
    impl Drop for Drain {
        fn drop(&mut self) {
            self.0.close();
            while self.0.try_recv().is_ok() {}
        }
    }
    // Not inside: the future may be dropped before it was ever polled.
    let jobs = Drain(jobs);
    async move {
        while let Ok(job) = jobs.0.recv().await {
            // An engine that does not come back from this holds the worker as a script would.
            let slice = job.ending.0.shared.limits.slice;
            fiber::in_turn(slice, || open(job));
        }
    }
}

fn open(Job { ending, opened }: Job) {
    let address = ending.0.clone();
    let background = Rc::<Background>::default();
    let console = Rc::new(Console::new(address.clone()));
    let scope = ContextScope::new(address.clone(), background.clone(), console.clone());
    let engine = address.settings.engine.clone();
    let interpreter = catch_unwind(AssertUnwindSafe(|| engine.open(Rc::new(scope))))
        .unwrap_or_else(|panic| Err(Error::from_panic(panic)));
    match interpreter {
        Ok(interpreter) => {
            // If whoever asked has gone meanwhile, nobody knows the context: it ends again.
            if opened.send(Ok(())).is_err() {
                address.mailbox.control(super::mailbox::Control::Stop);
            }
            tokio::task::spawn_local(actor::run(ending, interpreter, background, console));
        }
        Err(error) => {
            // Answers what has reached it already.
            drop(ending);
            let _ = opened.send(Err(error));
        }
    }
}

/// The threads of a broker, until they are joined.
#[derive(Default)]
pub(super) struct Threads {
    workers: Vec<Thread>,
    watchdog: Option<JoinHandle<()>>,
}

/// A worker's thread.
struct Thread {
    handle: JoinHandle<()>,
    /// Resolves when the thread is about to end.
    ended: oneshot::Receiver<()>,
    /// Nothing is ever sent: the other side is dropped when the thread is about to end.
    gone: mpsc::Receiver<Infallible>,
}

impl Threads {
    /// Starts a thread for `worker`.
    ///
    /// # Errors
    /// `io` if the system refuses a thread or its event queue.
    pub(super) fn start(
        &mut self,
        worker: &Arc<Worker>,
        jobs: async_channel::Receiver<Job>,
        slots: &Arc<Slots>,
        slice: Duration,
    ) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel();
        let (alive, gone) = mpsc::channel::<Infallible>();
        let (worker, slots) = (worker.clone(), slots.clone());
        let number = self.workers.len();
        let main = move || {
            HERE.set(Arc::as_ptr(&worker));
            let _watched = slots.register(worker.slot.clone());
            let contexts = LocalSet::new();
            idle::block_on(&runtime, &contexts, &worker.bell, serve(jobs));
            // Drops what contexts are left, and answers their calls, while still watched: a script
            // that loops in its handlers is ended by an interrupt. Its natives may still ask for
            // the runtime: a timer that finds none panics.
            let inside = runtime.enter();
            fiber::in_turn(slice, || drop(contexts));
            drop(inside);
            // Not waiting for blocking natives that are still at work: one may hang in the system.
            runtime.shutdown_background();
            let _ = ending.send(());
            drop(alive);
        };
        let handle = std::thread::Builder::new().name(format!("calog-{number}")).spawn(main)?;
        self.workers.push(Thread { handle, ended, gone });
        Ok(())
    }

    pub(super) fn watched_by(&mut self, watchdog: JoinHandle<()>) {
        self.watchdog = Some(watchdog);
    }

    /// Waits for all threads to end, and joins them. `Err`: one has not ended in time.
    pub(super) async fn join(&mut self, until: tokio::time::Instant) -> Result<(), Late> {
        while let Some(thread) = self.workers.last_mut() {
            let _ = tokio::time::timeout_at(until, &mut thread.ended).await.map_err(|_| Late)?;
            self.join_last();
        }
        self.join_watchdog();
        Ok(())
    }

    /// The same, blocking the thread. What has not ended in time is left to end by itself.
    pub(super) fn join_blocking(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        while let Some(thread) = self.workers.last_mut() {
            let left = until.saturating_duration_since(Instant::now());
            if thread.gone.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            self.join_last();
        }
        self.join_watchdog();
    }

    fn join_last(&mut self) {
        if let Some(thread) = self.workers.pop() {
            // A worker that panicked has printed it; there is nobody else to tell.
            let _ = thread.handle.join();
        }
    }

    /// The watchdog ends when it sees that no worker is left.
    fn join_watchdog(&mut self) {
        // A waker that the watchdog drops may hold the last broker.
        let is_other =
            |watchdog: &JoinHandle<()>| watchdog.thread().id() != std::thread::current().id();
        if let Some(watchdog) = self.watchdog.take().filter(is_other) {
            watchdog.thread().unpark();
            let _ = watchdog.join();
        }
    }
}

/// Something has not ended in time.
pub(super) struct Late;

impl Shared {
    /// Is the calling thread a worker of this broker?
    pub(super) fn is_worker(&self) -> bool {
        self.workers.iter().any(|worker| worker.is_here())
    }
}
