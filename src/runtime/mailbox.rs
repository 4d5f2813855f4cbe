//! The queue before a context: a control lane ahead of a work lane.

use crate::{
    chain::Chain,
    engine::Source,
    error::{Error, ErrorKind, Result},
    runtime::Usage,
    sync::{Mutex, MutexGuard},
    value::{Function, Value},
};
use futures::future::BoxFuture;
use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot},
    time::Instant,
};
use tracing::Span;

/// What the context is asked to do ahead of all calls. Never waits for room: the lane is bounded by
/// the number of live handles, of the tasks that natives begin, and of those who wait for the close.
pub(crate) enum Control {
    /// The last handle of a function is gone.
    Release(u64),
    /// End: answer everything and close.
    Stop,
    /// Run this beside the calls.
    Begin(BoxFuture<'static, ()>),
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

impl Work {
    /// What of it has to be held in Rust until the call begins, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Load(source) => source.text.len(),
            Self::Call(_, args) => bytes_of(args),
        }
    }
}

/// What `values` take beyond their own slots, in bytes.
pub(crate) fn bytes_of(values: &[Value]) -> usize {
    let bytes = |value: &Value| match value {
        Value::String(bytes) | Value::Bytes(bytes) => bytes.len(),
        Value::Aggregate(_) => value.size_bytes(),
        _ => 0,
    };
    values.iter().map(bytes).fold(0, usize::saturating_add)
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
    /// What a call from the host takes; one from a context needs none.
    pub(crate) room: Option<Room>,
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
    calls: Arc<Semaphore>,
    /// Room for what they bring along, in KiB.
    kilobytes: Arc<Semaphore>,
    most_kilobytes: u32,
}

/// The room that a call from the host takes until it has ended.
pub(crate) struct Room {
    _call: OwnedSemaphorePermit,
    _kilobytes: Option<OwnedSemaphorePermit>,
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
    /// With room for so many calls from the host, which bring so many bytes along.
    pub(crate) fn new(calls: usize, bytes: usize) -> Self {
        let lanes =
            Lanes { control: VecDeque::new(), work: VecDeque::new(), waker: None, closed: None };
        let room = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        let most_kilobytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self {
            lanes: Mutex::new(lanes),
            calls: room(calls),
            kilobytes: room(most_kilobytes as usize),
            most_kilobytes,
        }
    }

    /// What takes less than one is not counted; what takes more than there are waits for all.
    fn kilobytes(&self, bytes: usize) -> u32 {
        u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(self.most_kilobytes)
    }

    /// A panic under this lock cannot happen in mid-change (only queue operations run), so a
    /// poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for a call from the host that brings `bytes` along.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room> {
        let closed = |_| self.why_closed();
        let call = self.calls.clone().acquire_owned().await.map_err(closed)?;
        let kilobytes = match self.kilobytes(bytes) {
            0 => None,
            some => {
                let room = self.kilobytes.clone().acquire_many_owned(some);
                Some(room.await.map_err(closed)?)
            }
        };
        Ok(Room { _call: call, _kilobytes: kilobytes })
    }

    /// Room for a call from the host that brings `bytes` along, if there is some now.
    pub(crate) fn try_room(&self, bytes: usize) -> Result<Room> {
        let refused = |what: &'static str| {
            move |error| match error {
                TryAcquireError::Closed => self.why_closed(),
                TryAcquireError::NoPermits => {
                    Error::new(ErrorKind::Busy, format!("the context has its fill of {what}"))
                }
            }
        };
        let call = self.calls.clone().try_acquire_owned().map_err(refused("calls"))?;
        let kilobytes = match self.kilobytes(bytes) {
            0 => None,
            some => {
                let room = self.kilobytes.clone().try_acquire_many_owned(some);
                Some(room.map_err(refused("arguments that wait"))?)
            }
        };
        Ok(Room { _call: call, _kilobytes: kilobytes })
    }

    /// Is nothing queued, and is it open?
    pub(crate) fn is_empty(&self) -> bool {
        let lanes = self.lock();
        lanes.control.is_empty() && lanes.work.is_empty() && lanes.closed.is_none()
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
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Message> {
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
        self.calls.close();
        self.kilobytes.close();
        drop(control);
        work
    }
}
