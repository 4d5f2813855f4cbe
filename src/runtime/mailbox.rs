//! The queue before a context: a control lane ahead of a work lane.

use crate::{
    chain::Chain,
    engine::Source,
    error::{Error, ErrorKind, Result},
    runtime::Usage,
    value::{Function, Value},
};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot},
    time::Instant,
};
use tracing::Span;

/// What the context is asked to do ahead of all calls. Never waits for room: the lane is bounded by
/// the number of live handles and of those who wait for the close.
pub(crate) enum Control {
    /// The last handle of a function is gone.
    Release(u64),
    /// End: answer everything and close.
    Stop,
    /// Report what is in use.
    Inspect(oneshot::Sender<Usage>),
}

/// What a call runs.
pub(crate) enum Work {
    /// The top level of a script.
    Load(Source),
    /// A function of the interpreter. The handle is held until the call is answered.
    Call(Function, Vec<Value>),
}

/// Where the answer goes.
pub(crate) enum Reply {
    /// To a caller that waits; it gives the call up by dropping the receiver.
    To(oneshot::Sender<Result<Value>>),
    /// Nobody waits: an error goes to the broker's error handler.
    Nobody,
}

/// An accepted call: it is answered exactly once.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) chain: Chain,
    /// The deadline that a timer further up the chain already watches.
    pub(crate) inherited: Option<Instant>,
    pub(crate) reply: Reply,
    /// The room that a call from the host takes until it has ended.
    pub(crate) room: Option<OwnedSemaphorePermit>,
    /// What tracing shows of the call, below whatever its caller was in.
    pub(crate) span: Span,
}

pub(crate) enum Message {
    Control(Control),
    Request(Request),
}

pub(crate) struct Mailbox {
    lanes: Mutex<Lanes>,
    /// Room for calls from the host.
    room: Arc<Semaphore>,
}

struct Lanes {
    control: VecDeque<Control>,
    work: VecDeque<Request>,
    /// The actor's, when it waits. Only the actor receives, so one place is enough.
    waker: Option<Waker>,
    /// Why it is closed, once it is.
    closed: Option<ErrorKind>,
}

/// The error of a call to a context that has ended for `reason` (`dead` or `shutdown`).
pub(crate) fn ended(reason: ErrorKind) -> Error {
    let message = match reason {
        ErrorKind::Shutdown => "the broker is shutting down",
        _ => "the context is closed",
    };
    Error::new(reason, message)
}

impl Mailbox {
    pub(crate) fn new(concurrent_calls: usize) -> Self {
        let lanes =
            Lanes { control: VecDeque::new(), work: VecDeque::new(), waker: None, closed: None };
        let most = concurrent_calls.clamp(1, Semaphore::MAX_PERMITS);
        Self { lanes: Mutex::new(lanes), room: Arc::new(Semaphore::new(most)) }
    }

    /// A panic under this lock cannot happen in mid-change (only queue operations run), so a
    /// poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for a call from the host.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit> {
        match self.room.clone().acquire_owned().await {
            Ok(room) => Ok(room),
            Err(_) => Err(self.why_closed()),
        }
    }

    /// Room for a call from the host, if there is some now.
    pub(crate) fn try_room(&self) -> Result<OwnedSemaphorePermit> {
        match self.room.clone().try_acquire_owned() {
            Ok(room) => Ok(room),
            Err(TryAcquireError::Closed) => Err(self.why_closed()),
            Err(TryAcquireError::NoPermits) => {
                Err(Error::new(ErrorKind::Busy, "the context has its fill of calls"))
            }
        }
    }

    /// Has the context ended, or begun to answer what is left?
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// The error of what comes too late.
    pub(crate) fn why_closed(&self) -> Error {
        ended(self.lock().closed.unwrap_or(ErrorKind::Dead))
    }

    /// Queues a call.
    ///
    /// # Errors
    /// `dead` or `shutdown` if the mailbox is closed; the request is dropped unanswered.
    pub(crate) fn request(&self, request: Request) -> Result<()> {
        let mut lanes = self.lock();
        if let Some(reason) = lanes.closed {
            drop(lanes);
            return Err(ended(reason));
        }
        lanes.work.push_back(request);
        let waker = lanes.waker.take();
        drop(lanes);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Queues a control message; it gets lost if the mailbox is closed (then it has no object any
    /// more).
    pub(crate) fn control(&self, control: Control) {
        let mut lanes = self.lock();
        if lanes.closed.is_some() {
            drop(lanes);
            return;
        }
        lanes.control.push_back(control);
        let waker = lanes.waker.take();
        drop(lanes);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next message, control first.
    pub(crate) async fn next(&self) -> Message {
        poll_fn(|cx| {
            let mut lanes = self.lock();
            if let Some(control) = lanes.control.pop_front() {
                return Poll::Ready(Message::Control(control));
            }
            if let Some(request) = lanes.work.pop_front() {
                return Poll::Ready(Message::Request(request));
            }
            match &mut lanes.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    /// How many calls wait.
    pub(crate) fn queued(&self) -> usize {
        self.lock().work.len()
    }

    /// Refuses what comes from now on, for `reason`, and returns the calls that were still queued.
    pub(crate) fn close(&self, reason: ErrorKind) -> VecDeque<Request> {
        let mut lanes = self.lock();
        lanes.closed.get_or_insert(reason);
        let (control, work) = (std::mem::take(&mut lanes.control), std::mem::take(&mut lanes.work));
        lanes.waker = None;
        drop(lanes);
        self.room.close();
        drop(control);
        work
    }
}
