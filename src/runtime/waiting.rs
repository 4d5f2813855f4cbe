//! Callers that wait for a worker from outside of it, so that somebody can tell them when the worker
//! itself cannot: it is held by code that no interrupt reaches.

use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, SHARDS};
use std::{
    future::{Future, poll_fn},
    mem,
    pin::pin,
    ptr,
    sync::{PoisonError, atomic::Ordering},
    task::{Poll, Waker},
    time::Instant,
};

/// Those who wait for one worker, from other threads.
#[derive(Default)]
pub(crate) struct Waiting {
    /// Each thread has one, which it seldom shares.
    shards: [Shard; SHARDS],
    /// The worker is held: those whose time has passed give up.
    is_held: AtomicBool,
    /// The worker does not respond: everybody gives up.
    is_stuck: AtomicBool,
}

/// On a cache line of its own: 128 bytes, since processors fetch two lines of 64 together.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    list: Mutex<List>,
    /// How many there are in the list. Changes only under its lock.
    count: AtomicUsize,
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

impl Shard {
    /// Only list operations run under the lock, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The shard of the calling thread.
fn own_shard() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    // What belongs to a thread lies at a place of its own. Fibonacci hashing: Knuth, The Art of
    // Computer Programming, 6.4.
    let place = HERE.with(|here| ptr::from_ref(here).addr()) as u64;
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    usize::try_from(mixed).unwrap_or(0) % SHARDS
}

impl Waiting {
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
        let number = place.0.map_or_else(own_shard, |(shard, _)| shard);
        let shard = &self.shards[number];
        let mut list = shard.lock();
        if self.is_stuck() {
            return Some(GaveUp::Stuck);
        }
        if let Some(caller) = place.0.and_then(|(_, index)| list.callers[index].as_mut()) {
            let is_late = caller.is_late;
            let old = (!caller.waker.will_wake(waker))
                .then(|| mem::replace(&mut caller.waker, waker.clone()));
            drop(list);
            // A waker is the host's code: its drop must not find the lock taken.
            drop(old);
            return is_late.then_some(GaveUp::Late);
        }
        let caller = Some(Caller { until, waker: waker.clone(), is_late: false });
        let index = match list.free.pop() {
            Some(index) => {
                list.callers[index] = caller;
                index
            }
            None => {
                list.callers.push(caller);
                list.callers.len() - 1
            }
        };
        shard.count.store(list.callers.len() - list.free.len(), Ordering::Relaxed);
        place.0 = Some((number, index));
        None
    }

    /// Gives the place back, if it was taken.
    pub(crate) fn leave(&self, place: &mut Place) {
        let Some((shard, index)) = place.0.take() else { return };
        let shard = &self.shards[shard];
        let mut list = shard.lock();
        let left = list.callers[index].take();
        list.free.push(index);
        shard.count.store(list.callers.len() - list.free.len(), Ordering::Relaxed);
        drop(list);
        drop(left);
    }

    /// Does nobody wait whose last wait began on this thread, or on one that shares its list?
    pub(crate) fn is_empty_here(&self) -> bool {
        self.shards[own_shard()].count.load(Ordering::Relaxed) == 0
    }

    /// The worker is held: tells those whose time has passed.
    pub(crate) fn expire(&self, now: Instant) {
        let mut late = Vec::new();
        for shard in &self.shards {
            for caller in shard.lock().callers.iter_mut().flatten() {
                if !caller.is_late && caller.until.is_some_and(|until| until <= now) {
                    caller.is_late = true;
                    late.push(caller.waker.clone());
                }
            }
        }
        late.into_iter().for_each(Waker::wake);
    }

    /// The worker does not respond, or does again. Returns what was thought before.
    pub(crate) fn set_stuck(&self, is_stuck: bool) -> bool {
        let before = self.is_stuck.swap(is_stuck, Ordering::Relaxed);
        let mut wakers = Vec::new();
        if is_stuck && !before {
            // Who takes a place after this look at its list sees that the worker is stuck: the lock
            // tells.
            for shard in &self.shards {
                let list = shard.lock();
                wakers.extend(list.callers.iter().flatten().map(|caller| caller.waker.clone()));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
        before
    }
}

/// The place of somebody who waits, in the list once he was polled in vain. Whoever has it gives it
/// back.
#[derive(Default)]
pub(crate) struct Place(Option<(usize, usize)>);

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
