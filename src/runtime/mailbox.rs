//! The queue before a context: a control lane ahead of a work lane.

use crate::{
    chain::Chain,
    engine::Source,
    error::{Error, ErrorKind, Result},
    runtime::Usage,
    sync::{AtomicBool, Mutex, MutexGuard},
    value::{Function, Value},
};
use futures::future::BoxFuture;
use std::{
    cell::Cell,
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
};
use tokio::{sync::oneshot, time::Instant};
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
    pub(crate) room: Room,
    /// What tracing shows of the call, below whatever its caller was in.
    pub(crate) span: Span,
}

pub(crate) enum Message {
    Control(Control),
    Request(Request),
}

/// The room that calls from the host take until they have ended. Whoever has it [gives it
/// back](Mailbox::give_back) while the mailbox is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    calls: usize,
    kilobytes: usize,
}

impl Room {
    /// In which queue its like wait.
    fn queue(self) -> usize {
        (self.kilobytes > 0).into()
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            kilobytes: self.kilobytes.saturating_add(other.kilobytes),
        }
    }
}

pub(crate) struct Mailbox {
    lanes: Mutex<Lanes>,
    /// There is something in the control lane.
    has_control: AtomicBool,
    /// There is something in a lane, or it is closed.
    has_any: AtomicBool,
    /// All calls that may be are under way, or somebody waits for room.
    is_full: AtomicBool,
    /// How much room there is in all.
    most: Room,
}

struct Lanes {
    control: VecDeque<Control>,
    work: VecDeque<Request>,
    /// The actor's, when it waits. Only the actor receives, so one place is enough.
    waker: Option<Waker>,
    /// Why it is closed, once it is.
    closed: Option<ErrorKind>,
    /// The room that is taken.
    taken: Room,
    /// Those who wait for room, by number: who needs none but for the call itself, and the others.
    /// Nobody passes one of his own kind.
    waiting: [VecDeque<(u64, Option<Waker>)>; 2],
    /// The last number.
    tickets: u64,
}

/// The error of a call to a context that has ended for `reason` (`dead` or `shutdown`).
pub(crate) fn ended(reason: ErrorKind) -> Error {
    let message = match reason {
        ErrorKind::Shutdown => "the broker is shutting down",
        _ => "the context is closed",
    };
    Error::new(reason, message)
}

impl Lanes {
    /// So much room is free again: who is to be woken.
    fn free(&mut self, room: Room) -> [Option<Waker>; 2] {
        self.taken.calls = self.taken.calls.saturating_sub(room.calls);
        self.taken.kilobytes = self.taken.kilobytes.saturating_sub(room.kilobytes);
        self.next_wakers()
    }

    /// The wakers of those who are to have room next.
    fn next_wakers(&mut self) -> [Option<Waker>; 2] {
        self.waiting.each_mut().map(|queue| queue.front_mut().and_then(|next| next.1.take()))
    }
}

impl Mailbox {
    /// With room for so many calls from the host, which bring so many bytes along.
    pub(crate) fn new(calls: usize, bytes: usize) -> Self {
        let (control, work) = (VecDeque::new(), VecDeque::new());
        let (waker, closed, taken) = (None, None, Room::default());
        let (waiting, tickets) = ([VecDeque::new(), VecDeque::new()], 0);
        let lanes = Lanes { control, work, waker, closed, taken, waiting, tickets };
        Self {
            lanes: Mutex::new(lanes),
            has_control: AtomicBool::new(false),
            has_any: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            most: Room { calls: calls.max(1), kilobytes: (bytes / 1024).max(1) },
        }
    }

    /// The room that a call takes which brings `bytes` along. What is less than a KiB is not counted;
    /// what is more than there is waits for all.
    fn needs(&self, bytes: usize) -> Room {
        Room { calls: 1, kilobytes: (bytes / 1024).min(self.most.kilobytes) }
    }

    /// A panic under this lock cannot happen in mid-change (only queue operations run), so a
    /// poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for a call from the host that brings `bytes` along, after those who came before.
    /// Dropping what it gives gives it back.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Held<'_>> {
        /// Somebody who waits: in which queue, and his number.
        struct Waits<'a>(&'a Mailbox, usize, u64);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                let mut lanes = self.0.lock();
                let queue = &mut lanes.waiting[self.1];
                let place = queue.iter().position(|waits| waits.0 == self.2);
                let left = place.and_then(|place| queue.remove(place));
                // There may be room for the next one too.
                let next = lanes.next_wakers();
                self.0.tell_full(&lanes);
                drop(lanes);
                drop(left);
                next.into_iter().flatten().for_each(Waker::wake);
            }
        }
        let needs = self.needs(bytes);
        let waits = {
            let mut lanes = self.lock();
            lanes.tickets += 1;
            let ticket = lanes.tickets;
            lanes.waiting[needs.queue()].push_back((ticket, None));
            self.tell_full(&lanes);
            Waits(self, needs.queue(), ticket)
        };
        poll_fn(|cx| {
            let mut lanes = self.lock();
            let is_next = lanes.waiting[waits.1].front().is_some_and(|next| next.0 == waits.2);
            if is_next || lanes.closed.is_some() {
                match self.take(&mut lanes, needs) {
                    Err(error) if error.kind() == ErrorKind::Busy => {}
                    taken => return Poll::Ready(taken.map(|room| Held { mailbox: self, room })),
                }
            }
            let mut waker = Some(cx.waker().clone());
            let queue = &mut lanes.waiting[waits.1];
            if let Ok(place) = queue.binary_search_by_key(&waits.2, |waits| waits.0) {
                mem::swap(&mut queue[place].1, &mut waker);
            }
            drop(lanes);
            // A waker is the host's code: its drop must not find the lock taken.
            drop(waker);
            Poll::Pending
        })
        .await
    }

    /// Room for a call from the host that brings `bytes` along, if there is some now.
    pub(crate) fn try_room(&self, bytes: usize) -> Result<Room> {
        self.try_take(&mut self.lock(), bytes)
    }

    /// The same for somebody who has not waited.
    fn try_take(&self, lanes: &mut Lanes, bytes: usize) -> Result<Room> {
        let needs = self.needs(bytes);
        if !lanes.waiting[needs.queue()].is_empty() && lanes.closed.is_none() {
            return Err(Error::new(ErrorKind::Busy, "others wait for room in the context"));
        }
        self.take(lanes, needs)
    }

    fn take(&self, lanes: &mut Lanes, needs: Room) -> Result<Room> {
        let refused =
            |what| Err(Error::new(ErrorKind::Busy, format!("the context has its fill of {what}")));
        if let Some(reason) = lanes.closed {
            return Err(ended(reason));
        }
        let after = lanes.taken.and(needs);
        if after.calls > self.most.calls {
            return refused("calls");
        }
        if after.kilobytes > self.most.kilobytes {
            return refused("arguments that wait");
        }
        lanes.taken = after;
        self.tell_full(lanes);
        Ok(needs)
    }

    /// So much room is free again.
    pub(crate) fn give_back(&self, room: Room) {
        if room != Room::default() {
            let mut lanes = self.lock();
            let next = lanes.free(room);
            self.tell_full(&lanes);
            drop(lanes);
            next.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Is nothing queued, and is it open? Only for the thread of the actor does that still hold when
    /// it is told, but for what others are just sending.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_any.load(Ordering::Acquire)
    }

    /// Is there room for a call from the host that brings nothing along?
    pub(crate) fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Acquire)
    }

    /// Takes room for such a call that has begun already.
    pub(crate) fn take_late(&self) -> Room {
        let mut lanes = self.lock();
        let room = self.needs(0);
        lanes.taken = lanes.taken.and(room);
        self.tell_full(&lanes);
        room
    }

    fn tell_full(&self, lanes: &Lanes) {
        let waits = lanes.waiting.iter().any(|queue| !queue.is_empty());
        self.is_full.store(waits || lanes.taken.calls >= self.most.calls, Ordering::Release);
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
        let lanes = self.lock();
        if let Some(reason) = lanes.closed {
            drop(lanes);
            return Err(ended(reason));
        }
        self.push(lanes, request);
        Ok(())
    }

    /// Queues a call from the host, which takes room for what it brings along. If there is none, the
    /// request comes back.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and `busy` if there is no room now.
    pub(crate) fn request_room(&self, mut request: Request) -> Result<(), Box<(Error, Request)>> {
        let mut lanes = self.lock();
        match self.try_take(&mut lanes, request.work.bytes()) {
            Ok(room) => {
                request.room = room;
                self.push(lanes, request);
                Ok(())
            }
            Err(error) => {
                drop(lanes);
                Err(Box::new((error, request)))
            }
        }
    }

    fn push(&self, mut lanes: MutexGuard<'_, Lanes>, request: Request) {
        lanes.work.push_back(request);
        self.has_any.store(true, Ordering::Release);
        let waker = lanes.waker.take();
        drop(lanes);
        if let Some(waker) = waker {
            waker.wake();
        }
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
        self.has_control.store(true, Ordering::Release);
        self.has_any.store(true, Ordering::Release);
        let waker = lanes.waker.take();
        drop(lanes);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next control message, if there is one.
    pub(crate) fn next_control(&self) -> Option<Control> {
        if !self.has_control.load(Ordering::Acquire) {
            return None;
        }
        let mut lanes = self.lock();
        let control = lanes.control.pop_front();
        self.has_control.store(!lanes.control.is_empty(), Ordering::Relaxed);
        control
    }

    /// The next message, control first. Requests come by way of `batch`, which the actor keeps, so
    /// that it does not meet those who send them at each; `freed` is given back on the way.
    pub(crate) fn poll_next(
        &self,
        cx: &mut Context<'_>,
        batch: &mut VecDeque<Request>,
        freed: &Cell<Room>,
    ) -> Poll<Message> {
        if !self.has_control.load(Ordering::Acquire)
            && let Some(request) = batch.pop_front()
        {
            return Poll::Ready(Message::Request(request));
        }
        let mut lanes = self.lock();
        let room = freed.take();
        if room != Room::default() {
            let next = lanes.free(room);
            self.tell_full(&lanes);
            if next.iter().any(Option::is_some) {
                drop(lanes);
                next.into_iter().flatten().for_each(Waker::wake);
                lanes = self.lock();
            }
        }
        if let Some(control) = lanes.control.pop_front() {
            self.has_control.store(!lanes.control.is_empty(), Ordering::Relaxed);
            return Poll::Ready(Message::Control(control));
        }
        self.has_control.store(false, Ordering::Relaxed);
        if batch.is_empty() {
            mem::swap(&mut lanes.work, batch);
            self.has_any.store(lanes.closed.is_some(), Ordering::Release);
        }
        if let Some(request) = batch.pop_front() {
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
        self.has_any.store(true, Ordering::Release);
        let (control, work) = (mem::take(&mut lanes.control), mem::take(&mut lanes.work));
        lanes.waker = None;
        let waiting = lanes.waiting.iter_mut().flatten();
        let waiting: Vec<_> = waiting.filter_map(|waits| waits.1.take()).collect();
        drop(lanes);
        waiting.into_iter().for_each(Waker::wake);
        drop(control);
        work
    }
}

/// Room that was waited for, until somebody takes it.
pub(crate) struct Held<'a> {
    mailbox: &'a Mailbox,
    room: Room,
}

impl Held<'_> {
    pub(crate) fn take(mut self) -> Room {
        mem::take(&mut self.room)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.mailbox.give_back(self.room);
    }
}
