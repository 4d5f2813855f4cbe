//! The host's own side: context 0, whose natives run when the host pumps.

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    runtime::Failure,
    value::Value,
};
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};
use tokio::sync::oneshot;

/// A host native: it runs on the host's thread and may change what it captured.
pub(crate) type Task = Box<dyn FnMut(&Caller, &mut [Value]) -> Result<Value>>;

/// What waits for the pump.
enum Event {
    /// A script calls host native `task`.
    Call { task: usize, caller: Caller, args: Vec<Value>, reply: oneshot::Sender<Result<Value>> },
    /// A call failed that nobody waited for.
    Failed(Failure),
}

/// The queue between scripts and the host.
///
/// Calls in it are bounded by the calls in flight, since a script waits for its host call. Of the
/// failures of posted calls, some wait until the host pumps.
pub(crate) struct Queue {
    sender: async_channel::Sender<Event>,
    receiver: async_channel::Receiver<Event>,
    failures: Arc<Failures>,
}

/// Failures that the host has not been told of yet.
#[derive(Default)]
struct Failures {
    waiting: AtomicUsize,
    /// Those that were more than may wait.
    dropped: AtomicUsize,
}

/// How many failures wait for the pump at the most. A host that does not pump must not be filled up
/// by scripts that fail, and the first failures tell more than the last.
const MOST_FAILURES: usize = 1024;

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = async_channel::unbounded();
        Self { sender, receiver, failures: Arc::default() }
    }
}

impl Queue {
    /// The native that scripts see for host native number `task`.
    pub(crate) fn native(&self, name: &str, task: usize) -> Native {
        let queue = self.sender.clone();
        Native::later_raw(name, move |caller, args| {
            let (queue, caller) = (queue.clone(), caller.clone());
            async move {
                let gone = || Error::new(ErrorKind::Shutdown, "the host no longer pumps");
                let (reply, answer) = oneshot::channel();
                let event = Event::Call { task, caller, args, reply };
                queue.try_send(event).map_err(|_| gone())?;
                answer.await.unwrap_or_else(|_| Err(gone()))
            }
        })
    }

    /// Hands failures over to the pump.
    pub(crate) fn failures(&self) -> Box<dyn Fn(Failure) + Send + Sync> {
        let (queue, failures) = (self.sender.clone(), self.failures.clone());
        Box::new(move |failure| {
            if failures.waiting.fetch_add(1, Relaxed) < MOST_FAILURES {
                let _ = queue.try_send(Event::Failed(failure));
            } else {
                failures.waiting.fetch_sub(1, Relaxed);
                failures.dropped.fetch_add(1, Relaxed);
            }
        })
    }
}

/// The host's own side of a broker: runs host natives, one at a time, on the thread that pumps.
///
/// A script that calls a host native waits until the host pumps; when the `Host` is dropped, such
/// calls fail with `shutdown`. The host drives it from its own loop with [`pump`](Self::pump), or
/// around a future with [`run_until`](Self::run_until).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> calog::Result<()> {
/// use calog::Broker;
/// let mut score = 0;
/// let (broker, mut host) = Broker::builder()
///     .native_host("add_score", move |points: i64| {
///         score += points;
///         score
///     })
///     .build_with_host()?;
/// let context = broker.open("lua").await?;
/// let call = context.eval::<i64>("add_score(2) return add_score(3)");
/// assert_eq!(host.run_until(call).await?, 5);
/// # Ok(())
/// # }
/// ```
pub struct Host {
    tasks: Vec<Task>,
    on_failure: Box<dyn Fn(Failure) + Send + Sync>,
    events: async_channel::Receiver<Event>,
    failures: Arc<Failures>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} waiting)", self.events.len())
    }
}

impl Host {
    pub(crate) fn new(
        tasks: Vec<Task>,
        on_failure: Box<dyn Fn(Failure) + Send + Sync>,
        queue: Queue,
    ) -> Self {
        Self { tasks, on_failure, events: queue.receiver, failures: queue.failures }
    }

    /// Runs what waits now, and returns how much that was. Never blocks; a frame loop calls it once
    /// a frame. Failures of posted calls are handed to the broker's handler here, and only here; of
    /// those that come between two pumps the first 1,024 and the number of the others.
    pub fn pump(&mut self) -> usize {
        // Only what waits now: a script that calls in a loop must not hold the frame up.
        let waiting = self.events.len();
        let mut done = 0;
        while done < waiting {
            let Ok(event) = self.events.try_recv() else { break };
            self.handle(event);
            done += 1;
        }
        done
    }

    /// Pumps while `future` runs, and returns its output.
    ///
    /// # Cancel safety
    /// Dropping it drops `future`. No event is lost: what waits is run by the next pump.
    pub async fn run_until<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let events = self.events.clone();
        loop {
            let next = {
                let mut event = pin!(events.recv());
                poll_fn(|cx| {
                    if let Poll::Ready(output) = future.as_mut().poll(cx) {
                        return Poll::Ready(Err(output));
                    }
                    match event.as_mut().poll(cx) {
                        Poll::Ready(Ok(event)) => Poll::Ready(Ok(event)),
                        // Nobody is left who could call: only the future remains.
                        Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
                    }
                })
                .await
            };
            match next {
                Ok(event) => self.handle(event),
                Err(output) => return output,
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Failed(failure) => {
                self.failures.waiting.fetch_sub(1, Relaxed);
                let context = failure.context.clone();
                (self.on_failure)(failure);
                let dropped = self.failures.dropped.swap(0, Relaxed);
                if dropped > 0 {
                    let message = format!("{dropped} more failures came before the host pumped");
                    let error = Error::new(ErrorKind::Busy, message);
                    (self.on_failure)(Failure { context, error });
                }
            }
            // A caller that has given up meanwhile gets no effect it does not know of.
            Event::Call { reply, .. } if reply.is_closed() => {}
            Event::Call { task, caller, mut args, reply } => {
                let Some(task) = self.tasks.get_mut(task) else { return };
                let result = catch_unwind(AssertUnwindSafe(|| task(&caller, &mut args)))
                    .unwrap_or_else(|panic| Err(Error::from_panic(panic)));
                let _ = reply.send(result);
            }
        }
    }
}

impl Drop for Host {
    /// Calls that still wait fail now: nobody will run them.
    fn drop(&mut self) {
        self.events.close();
        while self.events.try_recv().is_ok() {}
    }
}
