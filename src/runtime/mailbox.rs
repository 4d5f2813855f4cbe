//! The queue before a context: a control lane ahead of the calls that may go on, and of those that are
//! to begin.

use super::{
    context::Address,
    reply::Sender,
    room::{Room, Rooms, Ticket},
};
use crate::{
    chain::Chain,
    engine::Source,
    error::{Error, ErrorKind, Result},
    runtime::Usage,
    sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard},
    value::{Function, Value},
};
use futures::future::BoxFuture;
use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{
        Arc, PoisonError,
        atomic::Ordering::{AcqRel, Acquire, Release},
    },
    task::{Poll, Waker},
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
    /// The top level of a script, in this context.
    Load(Arc<Address>, Box<Source>),
    /// A function of the interpreter. The handle is held until the call is answered.
    Call(Function, Vec<Value>),
}

impl Work {
    /// What it calls, to go where the answer goes.
    pub(crate) fn into_function(self) -> Option<Function> {
        match self {
            Self::Load(..) => None,
            Self::Call(function, _) => Some(function),
        }
    }

    /// What of it has to be held in Rust until the call begins, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Load(_, source) => source.text.len(),
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
    To(Sender),
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
    /// What tracing shows of the call, below whatever its caller was in, if anybody traces.
    pub(crate) span: Option<Box<Span>>,
}

/// What the actor is to do.
pub(crate) enum Message {
    Control(Control),
    /// The call in flight with this number may go on.
    Woken(usize),
    /// A call is to begin.
    Request(Request),
}

/// What the actor has taken out of the mailbox and not come to yet, so that it does not meet those
/// who send at each message.
#[derive(Default)]
pub(crate) struct Taken {
    woken: VecDeque<usize>,
    requests: VecDeque<Request>,
    /// A call went on: now one may begin.
    begins: bool,
    /// The turn before was over too early: all calls begin first that are to, so that their deadlines
    /// are watched although others compute.
    begins_all: bool,
    /// Room that calls have left.
    pub(crate) freed: Room,
}

/// So many calls are looked at before one of them goes on, while the turn is not over.
pub(crate) const NEAR: usize = 8;

impl Taken {
    pub(crate) fn is_empty(&self) -> bool {
        self.woken.is_empty() && self.requests.is_empty()
    }

    /// The call with this number was woken in its own poll.
    pub(crate) fn wake(&mut self, call: usize) {
        self.woken.push_back(call);
    }

    /// How many calls have not begun.
    pub(crate) fn queued(&self) -> usize {
        self.requests.len()
    }

    /// The next call. Those that may go on and those that are to begin take turns, so that neither
    /// hold the others up.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let begins = mem::take(&mut self.begins) || self.begins_all || self.woken.is_empty();
        if let Some(request) = begins.then(|| self.requests.pop_front()).flatten() {
            return Some(Message::Request(request));
        }
        (self.begins, self.begins_all) = (true, false);
        self.woken.pop_front().map(Message::Woken)
    }

    /// The first of the calls that may go on for which `pick` says so, of those that are `near`.
    pub(crate) fn next_woken(
        &mut self,
        pick: impl Fn(usize) -> bool,
        near: usize,
    ) -> Option<Message> {
        let place = self.woken.iter().take(near).position(|call| pick(*call))?;
        self.woken.remove(place).map(Message::Woken)
    }

    /// The turn is over. If only calls that begin have had it, those that go on have the next one.
    pub(crate) fn end_turn(&mut self) {
        self.begins_all = !self.begins_all;
    }

    pub(crate) fn into_requests(self) -> VecDeque<Request> {
        self.requests
    }
}

/// What wakes one call in flight.
pub(crate) struct Alarm {
    /// The call's.
    number: usize,
    /// It was rung since the call was polled last: once is enough.
    rung: AtomicBool,
}

impl Alarm {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, rung: AtomicBool::new(false) }
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Rings. `true`: for the first time since the last poll, so that somebody must see to the next.
    pub(crate) fn ring(&self) -> bool {
        !self.rung.swap(true, AcqRel)
    }

    /// The call is about to be polled: it sees what was done before each ring up to now.
    pub(crate) fn hear(&self) {
        if self.rung.load(Acquire) {
            self.rung.swap(false, AcqRel);
        }
    }
}

/// In this order in memory, as what is in it: what every call writes is together.
#[repr(C)]
pub(crate) struct Mailbox {
    /// What there is, for those who only look: some of the constants below. Changes under the lock.
    there: AtomicUsize,
    lanes: Mutex<Lanes>,
}

const CONTROL: usize = 1;
const WOKEN: usize = 2;
const REQUESTS: usize = 4;
const CLOSED: usize = 8;
/// A call from the host has to wait for room.
const FULL: usize = 16;

#[repr(C)]
struct Lanes {
    requests: VecDeque<Request>,
    rooms: Rooms,
    /// The actor's, when it waits. Only the actor receives, so one place is enough.
    waker: Option<Waker>,
    control: VecDeque<Control>,
    woken: VecDeque<usize>,
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

impl Lanes {
    fn there(&self) -> usize {
        let flag = |flag: usize, is_set: bool| if is_set { flag } else { 0 };
        flag(CONTROL, !self.control.is_empty())
            | flag(WOKEN, !self.woken.is_empty())
            | flag(REQUESTS, !self.requests.is_empty())
            | flag(CLOSED, self.closed.is_some())
            | flag(FULL, self.rooms.is_full())
    }
}

impl Mailbox {
    /// With room for so many calls from the host, which bring so many bytes along.
    pub(crate) fn new(calls: usize, bytes: usize) -> Self {
        let lanes = Lanes {
            control: VecDeque::new(),
            woken: VecDeque::new(),
            requests: VecDeque::new(),
            waker: None,
            closed: None,
            rooms: Rooms::new(calls, bytes),
        };
        Self { lanes: Mutex::new(lanes), there: AtomicUsize::new(0) }
    }

    /// A panic under this lock cannot happen in mid-change (only queue operations run), so a
    /// poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a change: tells what there is now, and wakes whom it concerns.
    fn finish(&self, mut lanes: MutexGuard<'_, Lanes>) {
        let there = lanes.there();
        self.there.store(there, Release);
        let has_messages = there & (CONTROL | WOKEN | REQUESTS) != 0;
        let actor = if has_messages { lanes.waker.take() } else { None };
        // Only where somebody waits is it full although there may be room.
        let next = if there & FULL == 0 { None } else { Some(lanes.rooms.next_in_line()) };
        drop(lanes);
        if let Some(actor) = actor {
            actor.wake();
        }
        if let Some(next) = next {
            next.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Waits for room for a call from the host that brings `bytes` along, after those who came before.
    /// Dropping what it gives gives it back.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Held<'_>> {
        /// Somebody who waits.
        struct Waits<'a>(&'a Mailbox, Ticket);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                let mut lanes = self.0.lock();
                let left = lanes.rooms.leave(self.1);
                // There may be room for the next one too.
                self.0.finish(lanes);
                drop(left);
            }
        }
        let waits = {
            let mut lanes = self.lock();
            let ticket = lanes.rooms.queue(bytes);
            self.finish(lanes);
            Waits(self, ticket)
        };
        poll_fn(|cx| {
            let mut lanes = self.lock();
            if let Some(reason) = lanes.closed {
                return Poll::Ready(Err(ended(reason)));
            }
            if let Some(room) = lanes.rooms.take(waits.1) {
                return Poll::Ready(Ok(Held { mailbox: self, room }));
            }
            let before = lanes.rooms.wake_later(waits.1, cx.waker().clone());
            drop(lanes);
            // A waker is the host's code: its drop must not find the lock taken.
            drop(before);
            Poll::Pending
        })
        .await
    }

    /// Room for a call from the host that brings `bytes` along, if there is some now.
    pub(crate) fn try_room(&self, bytes: usize) -> Result<Room> {
        let mut lanes = self.lock();
        let room = Self::try_take(&mut lanes, bytes);
        self.finish(lanes);
        room
    }

    fn try_take(lanes: &mut Lanes, bytes: usize) -> Result<Room> {
        match lanes.closed {
            Some(reason) => Err(ended(reason)),
            None => lanes.rooms.try_take(bytes),
        }
    }

    /// So much room is free again.
    pub(crate) fn give_back(&self, room: Room) {
        if room != Room::default() {
            let mut lanes = self.lock();
            lanes.rooms.give_back(room);
            self.finish(lanes);
        }
    }

    /// Is no call queued, and is it open? Only for the thread of the actor does that still hold when
    /// it is told, but for what others are just sending.
    pub(crate) fn is_free(&self) -> bool {
        self.there.load(Acquire) & (CONTROL | REQUESTS | CLOSED) == 0
    }

    /// Is there nothing for the actor to do?
    pub(crate) fn has_nothing(&self) -> bool {
        self.there.load(Acquire) & (CONTROL | WOKEN | REQUESTS) == 0
    }

    /// Is there room for a call from the host that brings nothing along?
    pub(crate) fn has_room(&self) -> bool {
        self.there.load(Acquire) & FULL == 0
    }

    /// Takes room for such a call that has begun already.
    pub(crate) fn take_late(&self) -> Room {
        let mut lanes = self.lock();
        let room = lanes.rooms.take_late();
        self.finish(lanes);
        room
    }

    /// Has the context ended, or begun to answer what is left?
    pub(crate) fn is_closed(&self) -> bool {
        self.there.load(Acquire) & CLOSED != 0
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
        lanes.requests.push_back(request);
        self.finish(lanes);
        Ok(())
    }

    /// Queues a call from the host, which takes room for what it brings along. If there is none, the
    /// request comes back.
    ///
    /// # Errors
    /// Those of [`request`](Self::request), and `busy` if there is no room now.
    pub(crate) fn request_room(&self, mut request: Request) -> Result<(), Box<(Error, Request)>> {
        let mut lanes = self.lock();
        match Self::try_take(&mut lanes, request.work.bytes()) {
            Ok(room) => {
                request.room = room;
                lanes.requests.push_back(request);
                self.finish(lanes);
                Ok(())
            }
            Err(error) => {
                drop(lanes);
                Err(Box::new((error, request)))
            }
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
        self.finish(lanes);
    }

    /// A call in flight may go on.
    pub(crate) fn wake(&self, call: usize) {
        let mut lanes = self.lock();
        if lanes.closed.is_none() {
            lanes.woken.push_back(call);
            self.finish(lanes);
        }
    }

    /// For the actor: the next control message, if there is one; else the calls that there are come
    /// into `taken`. If that stays empty, `waker` is woken when something comes.
    pub(crate) fn receive(&self, taken: &mut Taken, waker: &Waker) -> Option<Control> {
        let has_requests = !taken.requests.is_empty();
        let mut wanted = if has_requests { CONTROL | WOKEN } else { CONTROL | WOKEN | REQUESTS };
        if taken.freed != Room::default() {
            // Somebody may wait for it.
            wanted |= FULL;
        }
        if !taken.is_empty() && self.there.load(Acquire) & wanted == 0 {
            return None;
        }
        let mut lanes = self.lock();
        lanes.rooms.give_back(mem::take(&mut taken.freed));
        let before = lanes.waker.take();
        let control = lanes.control.pop_front();
        if control.is_none() {
            taken.woken.append(&mut lanes.woken);
            if !has_requests {
                mem::swap(&mut lanes.requests, &mut taken.requests);
            }
            if taken.is_empty() {
                let same = before.filter(|before| before.will_wake(waker));
                lanes.waker = Some(same.unwrap_or_else(|| waker.clone()));
            }
        }
        self.finish(lanes);
        control
    }

    /// How many calls wait to begin.
    pub(crate) fn queued(&self) -> usize {
        self.lock().requests.len()
    }

    /// Refuses what comes from now on, for `reason`, and returns the calls that were still queued.
    pub(crate) fn close(&self, reason: ErrorKind) -> VecDeque<Request> {
        let mut lanes = self.lock();
        lanes.closed.get_or_insert(reason);
        lanes.woken.clear();
        let (control, requests) = (mem::take(&mut lanes.control), mem::take(&mut lanes.requests));
        let (actor, waiting) = (lanes.waker.take(), lanes.rooms.end());
        self.finish(lanes);
        waiting.into_iter().for_each(Waker::wake);
        drop((control, actor));
        requests
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
