//! Workers: threads with a `LocalSet`, or the caller's own.

use super::{actor, background::Background, context::ContextScope};
use crate::{
    error::{Error, Result},
    fiber::Slots,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
};
use tokio::{sync::oneshot, task::LocalSet};

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
            open(job);
        }
    }
}

fn open(Job { ending, opened }: Job) {
    let address = ending.0.clone();
    let background = Rc::<Background>::default();
    let scope = Rc::new(ContextScope::new(address.clone(), background.clone()));
    let engine = address.settings.engine.clone();
    let interpreter = catch_unwind(AssertUnwindSafe(|| engine.open(scope)))
        .unwrap_or_else(|panic| Err(Error::from_panic(&*panic)));
    match interpreter {
        Ok(interpreter) => {
            // If whoever asked has gone meanwhile, nobody knows the context: it ends again.
            if opened.send(Ok(())).is_err() {
                address.mailbox.control(super::mailbox::Control::Stop);
            }
            tokio::task::spawn_local(actor::run(ending, interpreter, background));
        }
        Err(error) => {
            // Answers what has reached it already.
            drop(ending);
            let _ = opened.send(Err(error));
        }
    }
}

/// A worker's thread.
pub(crate) struct Thread {
    handle: JoinHandle<()>,
    /// Resolves when the thread is about to end.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Thread {
    /// Starts worker `index`.
    ///
    /// # Errors
    /// `io` if the system refuses a thread or its event queue.
    pub(crate) fn start(
        index: usize,
        jobs: async_channel::Receiver<Job>,
        slots: Arc<Slots>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel();
        let main = move || {
            let _watched = slots.register();
            let contexts = LocalSet::new();
            contexts.block_on(&runtime, serve(jobs));
            // Drops what contexts are left, and answers their calls, while still watched: a script
            // that loops in its handlers is ended by an interrupt.
            drop(contexts);
            // Not waiting for blocking natives that are still at work: one may hang in the system.
            runtime.shutdown_background();
            let _ = ending.send(());
        };
        let name = format!("calog-{index}");
        let handle = std::thread::Builder::new().name(name).spawn(main)?;
        Ok(Self { handle, ended })
    }

    /// Waits for the thread to be gone. Call it after `ended`.
    pub(crate) fn join(self) {
        // A worker that panicked has printed it; there is nobody else to tell.
        let _ = self.handle.join();
    }
}
