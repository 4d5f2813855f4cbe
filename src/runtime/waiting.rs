//! Callers that wait for a worker from outside of it, so that somebody can tell them when the worker
//! itself cannot: it is held by code that no interrupt reaches.

use super::reply::{Receiver, Seats, Sender};
use crate::sync::{AtomicBool, AtomicUsize, SHARDS};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    ptr,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Instant,
};

/// Those who wait for one worker, from other threads.
pub(crate) struct Waiting {
    /// The number of the worker.
    pub(super) worker: usize,
    /// Where they sit, among those who wait for others.
    seats: Arc<Seats>,
    /// How many calls are under way. Each thread has one, which it seldom shares.
    calls: [Count; SHARDS],
    /// The worker is held: those whose time has passed give up.
    is_held: AtomicBool,
    /// The worker does not respond: everybody gives up.
    is_stuck: AtomicBool,
}

/// On a cache line of its own: 128 bytes, since processors fetch two lines of 64 together.
#[derive(Default)]
#[repr(align(128))]
struct Count(AtomicUsize);

/// Why somebody gave up waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// The time until which it would wait has passed, and the worker is held.
    Late,
    /// The worker does not respond.
    Stuck,
}

/// The count of the calling thread.
fn own_shard() -> u8 {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    // What belongs to a thread lies at a place of its own. Fibonacci hashing: Knuth, The Art of
    // Computer Programming, 6.4.
    let place = HERE.with(|here| ptr::from_ref(here).addr()) as u64;
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    (mixed % SHARDS as u64) as u8
}

impl Waiting {
    pub(crate) fn new(worker: usize, seats: Arc<Seats>) -> Self {
        let (is_held, is_stuck) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { worker, seats, calls: Default::default(), is_held, is_stuck }
    }

    /// Both sides of a call that is about to be made.
    pub(crate) fn channel(&self) -> (Sender, Receiver) {
        self.seats.channel()
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

    /// A call from the calling thread has to wait. Returns where it is counted.
    pub(crate) fn count(&self) -> u8 {
        let shard = own_shard();
        self.calls[usize::from(shard)].0.fetch_add(1, Ordering::Relaxed);
        shard
    }

    /// A call that is counted there waits no more.
    pub(crate) fn count_out(&self, shard: u8) {
        self.calls[usize::from(shard)].0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Does nobody wait whose last wait began on this thread, or on one that shares its count?
    pub(crate) fn is_empty_here(&self) -> bool {
        self.calls[usize::from(own_shard())].0.load(Ordering::Relaxed) == 0
    }

    /// The worker is held: tells those whose time has passed.
    pub(crate) fn expire(&self, now: Instant) {
        self.seats.wake(self.worker, Some(now));
    }

    /// The worker does not respond, or does again. Returns what was thought before.
    pub(crate) fn set_stuck(&self, is_stuck: bool) -> bool {
        let before = self.is_stuck.swap(is_stuck, Ordering::Relaxed);
        if is_stuck && !before {
            // Who takes a seat after this look at it sees that the worker is stuck: the locks tell.
            self.seats.wake(self.worker, None);
        }
        before
    }
}

/// Waits for `future`, and gives up as `waiting` says, unless that is none.
///
/// # Errors
/// Why it was given up.
pub(crate) async fn wait<F: Future>(
    waiting: Option<&Waiting>,
    until: Option<Instant>,
    future: F,
) -> Result<F::Output, GaveUp> {
    // Nothing comes here but what the watchdog tells.
    let mut seat = waiting.map(|waiting| (waiting, waiting.seats.channel()));
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let Some((waiting, (_, seat))) = &mut seat else { return Poll::Pending };
        match seat.poll(cx, Some(*waiting), || until) {
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
            _ => Poll::Pending,
        }
    })
    .await
}
