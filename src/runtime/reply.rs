//! Where the answer to a call comes: a slot that caller and callee share, which is also the caller's
//! seat among those whom the watchdog tells when the worker cannot.
//!
//! A slot serves one call after another, and stays among the seats of its broker meanwhile, so that a
//! call enters no list and leaves none.

use super::waiting::{GaveUp, Waiting};
use crate::{
    error::Result,
    sync::{AtomicBool, Mutex, MutexGuard, SPARE_SLOTS},
    value::{Function, Value, give_back, kept},
};
use std::{
    cell::RefCell,
    mem, ptr,
    sync::{
        Arc, PoisonError, Weak,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

/// All slots of a broker.
#[derive(Default)]
pub(crate) struct Seats(Mutex<List>);

#[derive(Default)]
struct List {
    slots: Vec<Weak<Slot>>,
    /// Places of `slots` that are free.
    free: Vec<usize>,
}

/// What is told by flags changes only under the lock, and is told also to those who have not taken it.
///
/// In this order in memory: what both sides of a call write is together.
#[repr(C)]
struct Slot {
    /// There is an answer, or there never will be one.
    is_over: AtomicBool,
    /// Nobody waits for the answer any more.
    is_given_up: AtomicBool,
    state: Mutex<State>,
    seats: Weak<Seats>,
    /// Its place among the seats.
    place: usize,
}

#[derive(Default)]
#[repr(C)]
struct State {
    /// The caller's, while it waits.
    caller: Option<Waker>,
    answer: Option<Result<Value>>,
    /// What was called: whoever holds the other handle drops this one too, where the count is at hand.
    function: Option<Function>,
    /// A list of arguments in return for that of the call, so that the caller needs no new one.
    list: Option<Vec<Value>>,
    /// The caller has heard from the watchdog: its time has passed.
    is_late: bool,
    /// The callee's, to hear that the call is given up.
    callee: Option<Waker>,
    /// The worker that the caller waits for, if it is watched, and until when.
    watched: Option<(usize, Option<Instant>)>,
}

thread_local! {
    /// Slots that the thread keeps for its next calls.
    static SPARE: RefCell<Vec<Arc<Slot>>> = const { RefCell::new(Vec::new()) };
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both sides of a call that is about to be made.
    pub(crate) fn channel(self: &Arc<Self>) -> (Sender, Receiver) {
        let slot = self.slot();
        (Sender(Some(slot.clone())), Receiver(Some(slot)))
    }

    /// A slot that has served before, or a new one.
    fn slot(self: &Arc<Self>) -> Arc<Slot> {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        // One of another broker is not kept: its place is held, so no two brokers' are the same.
        let is_own = |slot: &Arc<Slot>| ptr::eq(slot.seats.as_ptr(), Arc::as_ptr(self));
        spare.filter(is_own).unwrap_or_else(|| self.enter())
    }

    fn enter(self: &Arc<Self>) -> Arc<Slot> {
        let mut list = self.lock();
        let place = list.free.pop().unwrap_or(list.slots.len());
        let (is_over, is_given_up) = (AtomicBool::new(false), AtomicBool::new(false));
        let (state, seats) = (Mutex::new(State::default()), Arc::downgrade(self));
        let slot = Arc::new(Slot { is_over, is_given_up, state, seats, place });
        let seat = Arc::downgrade(&slot);
        match list.slots.get_mut(place) {
            Some(free) => *free = seat,
            None => list.slots.push(seat),
        }
        slot
    }

    /// Wakes those who wait for a worker. With a time, only those who would wait until then at the most,
    /// and tells them that they are late.
    pub(super) fn wake(&self, worker: usize, late: Option<Instant>) {
        // The last owner of a slot takes the lock.
        let slots: Vec<_> = self.lock().slots.iter().filter_map(Weak::upgrade).collect();
        for slot in slots {
            let mut state = slot.lock();
            let Some((_, until)) = state.watched.filter(|watched| watched.0 == worker) else {
                continue;
            };
            if let Some(now) = late {
                if until.is_none_or(|until| until > now) {
                    continue;
                }
                state.is_late = true;
            }
            let caller = state.caller.take();
            drop(state);
            if let Some(caller) = caller {
                caller.wake();
            }
        }
    }
}

impl Slot {
    /// Only moves run under the lock, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the answer of a call that is over, and leaves the slot as for the next: nobody has a sender
    /// of this one any more.
    fn take(&self, mut state: MutexGuard<'_, State>) -> Option<Result<Value>> {
        let (answer, function) = (state.answer.take(), state.function.take());
        let list = state.list.take();
        (state.is_late, state.watched) = (false, None);
        self.is_over.store(false, Relaxed);
        drop(state);
        drop(function);
        if let Some(list) = list {
            give_back(list);
        }
        answer
    }

    /// The callee is done.
    fn end(&self, mut answer: Option<Result<Value>>, mut function: Option<Function>) {
        let mut state = self.lock();
        if !self.is_given_up.load(Relaxed) {
            mem::swap(&mut state.answer, &mut answer);
            mem::swap(&mut state.function, &mut function);
            state.list = kept();
        }
        self.is_over.store(true, Release);
        let (caller, callee) = (state.caller.take(), state.callee.take());
        // Wakers and values are others' code: their drop must not find the lock taken.
        drop(state);
        drop((answer, function, callee));
        if let Some(caller) = caller {
            caller.wake();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(seats) = self.seats.upgrade() {
            let mut list = seats.lock();
            list.slots[self.place] = Weak::new();
            list.free.push(self.place);
        }
    }
}

/// The callee's side. Dropping it tells the caller that there will be no answer.
pub(crate) struct Sender(Option<Arc<Slot>>);

impl Sender {
    /// Answers the call of `function`.
    pub(crate) fn send(mut self, answer: Result<Value>, function: Option<Function>) {
        if let Some(slot) = self.0.take() {
            slot.end(Some(answer), function);
        }
    }

    /// Is the call given up?
    pub(crate) fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(|slot| slot.is_given_up.load(Acquire))
    }

    /// The same; if not, it wakes when that happens. A waker that stays the same need not be told again.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(slot) = &self.0 else { return Poll::Ready(()) };
        let mut state = slot.lock();
        if slot.is_given_up.load(Relaxed) {
            return Poll::Ready(());
        }
        let old = keep(&mut state.callee, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.end(None, None);
        }
    }
}

/// The caller's side. Dropping it gives the call up.
pub(crate) struct Receiver(Option<Arc<Slot>>);

impl Receiver {
    /// Has it ended?
    pub(super) fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(|slot| slot.is_over.load(Acquire))
    }

    /// The answer; `None` if there will be none. If `waiting` is there, whoever waits is told when that
    /// worker is held and `until` has passed, or it does not respond. Of those who ask again, only the
    /// waker counts.
    ///
    /// # Errors
    /// Why to give up.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        waiting: Option<&Waiting>,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Poll<Result<Option<Result<Value>>, GaveUp>> {
        let Some(slot) = &self.0 else { return Poll::Ready(Ok(None)) };
        let mut state = slot.lock();
        if slot.is_over.load(Relaxed) {
            let answer = slot.take(state);
            if let Some(slot) = self.0.take() {
                put_back(slot);
            }
            return Poll::Ready(Ok(answer));
        }
        if let Some(waiting) = waiting {
            // Who takes a seat after the watchdog has looked there sees what it has set before.
            if waiting.is_stuck() {
                return Poll::Ready(Err(GaveUp::Stuck));
            }
            if state.is_late {
                return Poll::Ready(Err(GaveUp::Late));
            }
            if state.watched.is_none() {
                state.watched = Some((waiting.worker, until()));
            }
        }
        let old = keep(&mut state.caller, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let Some(slot) = self.0.take() else { return };
        let mut state = slot.lock();
        if slot.is_over.load(Relaxed) {
            drop(slot.take(state));
            return put_back(slot);
        }
        slot.is_given_up.store(true, Release);
        let (caller, callee) = (state.caller.take(), state.callee.take());
        drop(state);
        drop(caller);
        if let Some(callee) = callee {
            callee.wake();
        }
    }
}

/// Keeps a slot for another call.
fn put_back(slot: Arc<Slot>) {
    // At the end of a thread there may be no place for it.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < SPARE_SLOTS {
            spare.push(slot);
        }
    });
}

/// Keeps `waker`, unless it is what is there; gives back what was there before.
fn keep(kept: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match kept {
        Some(old) if old.will_wake(waker) => None,
        kept => kept.replace(waker.clone()),
    }
}
