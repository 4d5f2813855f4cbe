//! Callers that wait for a worker from outside of it, so that somebody can tell them when the worker
//! itself cannot: it is held by code that no interrupt reaches.

use crate::sync::{AtomicBool, Mutex, MutexGuard};
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{PoisonError, atomic::Ordering},
    task::{Poll, Waker},
    time::Instant,
};

/// Those who wait for one worker, from other threads.
#[derive(Default)]
pub(crate) struct Waiting {
    list: Mutex<List>,
    /// The worker is held: those whose time has passed give up.
    is_held: AtomicBool,
    /// The worker does not respond: everybody gives up. Changes only under the lock.
    is_stuck: AtomicBool,
}

#[derive(Default)]
struct List {
    callers: Vec<Option<Caller>>,
    /// Places of `callers` that are free.
    free: Vec<usize>,
}

struct Caller {
    until: Option<Instant>,
    waker: Waker,
    is_late: bool,
}

/// Why somebody gave up waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// The time until which it would wait has passed, and the worker is held.
    Late,
    /// The worker does not respond.
    Stuck,
}

impl Waiting {
    /// Only list operations run under the lock, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is the worker held, or was it a moment ago?
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    pub(crate) fn set_held(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }

    /// Does the worker not respond?
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }

    /// Takes the place, or sees why to give up: the worker is held, and `until` has passed or it
    /// counts as stuck. `None`: wait on, `waker` is woken when that changes. Of those who call again,
    /// only the waker counts.
    pub(crate) fn stay(
        &self,
        place: &mut Place,
        until: Option<Instant>,
        waker: &Waker,
    ) -> Option<GaveUp> {
        let mut list = self.lock();
        if self.is_stuck() {
            return Some(GaveUp::Stuck);
        }
        if let Some(caller) = place.0.and_then(|index| list.callers[index].as_mut()) {
            let is_late = caller.is_late;
            let old = (!caller.waker.will_wake(waker))
                .then(|| mem::replace(&mut caller.waker, waker.clone()));
            drop(list);
            // A waker is the host's code: its drop must not find the lock taken.
            drop(old);
            return is_late.then_some(GaveUp::Late);
        }
        let caller = Some(Caller { until, waker: waker.clone(), is_late: false });
        place.0 = Some(match list.free.pop() {
            Some(index) => {
                list.callers[index] = caller;
                index
            }
            None => {
                list.callers.push(caller);
                list.callers.len() - 1
            }
        });
        None
    }

    /// Gives the place back, if it was taken.
    pub(crate) fn leave(&self, place: &mut Place) {
        let Some(index) = place.0.take() else { return };
        let mut list = self.lock();
        let left = list.callers[index].take();
        list.free.push(index);
        drop(list);
        drop(left);
    }

    /// The worker is held: tells those whose time has passed.
    pub(crate) fn expire(&self, now: Instant) {
        let mut late = Vec::new();
        for caller in self.lock().callers.iter_mut().flatten() {
            if !caller.is_late && caller.until.is_some_and(|until| until <= now) {
                caller.is_late = true;
                late.push(caller.waker.clone());
            }
        }
        late.into_iter().for_each(Waker::wake);
    }

    /// The worker does not respond, or does again. Returns what was thought before.
    pub(crate) fn set_stuck(&self, is_stuck: bool) -> bool {
        let list = self.lock();
        let before = self.is_stuck.swap(is_stuck, Ordering::Relaxed);
        let wakers: Vec<_> = match is_stuck && !before {
            true => list.callers.iter().flatten().map(|caller| caller.waker.clone()).collect(),
            false => Vec::new(),
        };
        drop(list);
        wakers.into_iter().for_each(Waker::wake);
        before
    }
}

/// The place of somebody who waits, in the list once he was polled in vain. Whoever has it gives it
/// back.
#[derive(Default)]
pub(crate) struct Place(Option<usize>);

/// Waits for `future`, and gives up as `waiting` says, unless that is none.
///
/// # Errors
/// Why it was given up.
pub(crate) async fn wait<F: Future>(
    waiting: Option<&Waiting>,
    until: Option<Instant>,
    future: F,
) -> Result<F::Output, GaveUp> {
    /// Gives the place back when the wait is over, however that came.
    struct Waits<'a>(Option<&'a Waiting>, Place);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            if let Some(waiting) = self.0 {
                waiting.leave(&mut self.1);
            }
        }
    }
    let mut waits = Waits(waiting, Place::default());
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let gave_up = waits.0.and_then(|waiting| waiting.stay(&mut waits.1, until, cx.waker()));
        gave_up.map_or(Poll::Pending, |why| Poll::Ready(Err(why)))
    })
    .await
}
