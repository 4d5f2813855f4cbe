//! The answer to a call that was sent, for whoever waits for it.

use super::{
    context::Address,
    mailbox::ended,
    waiting::{GaveUp, Place},
};
use crate::{
    chain::Chain,
    error::{Error, ErrorKind, Result},
    value::Value,
};
use std::{
    future::Future,
    hint,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::{Instant, Sleep, sleep_until},
};

/// How long a caller on another thread looks for the answer before it suspends.
const LOOK: Duration = Duration::from_micros(10);

/// How many times a look asks before it looks at the clock.
const ASKED: u32 = 32;

/// A call that was sent. Dropping it gives the call up.
pub(crate) struct Answer {
    address: Arc<Address>,
    /// Dropping it closes the channel: that is how the callee learns that the call is given up.
    reply: oneshot::Receiver<Result<Value>>,
    chain: Chain,
    /// The deadline that a timer further up the chain watches.
    inherited: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Among those who wait for the worker.
    place: Place,
    was_polled: bool,
}

impl Answer {
    pub(super) fn new(
        address: Arc<Address>,
        reply: oneshot::Receiver<Result<Value>>,
        chain: Chain,
        inherited: Option<Instant>,
    ) -> Self {
        let (timer, place, was_polled) = (None, Place::default(), false);
        Self { address, reply, chain, inherited, timer, place, was_polled }
    }

    /// Looks for the answer for a while, if that is likely to come soon.
    ///
    /// Whoever suspends must be woken, which takes longer than most calls do. But while one looks, the
    /// other tasks of its thread wait: those that have calls under way would rather send more of them.
    fn look(&mut self) -> Option<Result<Value>> {
        let worker = &self.address.worker;
        if !worker.is_watched_from_here() || !worker.is_worth_a_look() {
            return None;
        }
        let until = std::time::Instant::now() + LOOK;
        let mut found = None;
        while found.is_none() && std::time::Instant::now() < until {
            for _ in 0..ASKED {
                match self.reply.try_recv() {
                    Err(TryRecvError::Empty) => hint::spin_loop(),
                    other => {
                        found = Some(other.unwrap_or_else(|_| Err(ended(ErrorKind::Dead))));
                        break;
                    }
                }
            }
        }
        worker.note_look(found.is_some());
        found
    }

    /// When the call should have been answered, also by a worker that is held.
    fn given_up_at(&self) -> Option<std::time::Instant> {
        let own = self.address.settings.limits.deadline;
        let own = own.and_then(|limit| Instant::now().checked_add(limit));
        self.chain.until(own).deadline.map(Instant::into_std)
    }

    /// The error of a call whose worker is held.
    fn given_up(&self, why: GaveUp) -> Error {
        if why == GaveUp::Stuck && self.address.shared.why_ended() == ErrorKind::Shutdown {
            return ended(ErrorKind::Shutdown);
        }
        let what = match why {
            GaveUp::Late => "the call took longer than it may",
            GaveUp::Stuck => "the call was given up",
        };
        let name = self.address.name();
        let message = format!(
            "{what}; the worker of context `{name}` does not respond: a script or a native holds it"
        );
        Error::new(ErrorKind::Timeout, message)
    }
}

impl Future for Answer {
    type Output = Result<Value>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Value>> {
        let this = &mut *self;
        let is_first = !std::mem::replace(&mut this.was_polled, true);
        if is_first
            && tokio::task::coop::has_budget_remaining()
            && let Some(answer) = this.look()
        {
            // What is always ready must let others run too.
            let _ = pin!(tokio::task::coop::consume_budget()).poll(cx);
            return Poll::Ready(answer);
        }
        if let Poll::Ready(answer) = Pin::new(&mut this.reply).poll(cx) {
            // One that never comes means that the whole context went down with its worker.
            return Poll::Ready(answer.unwrap_or_else(|_| Err(ended(ErrorKind::Dead))));
        }
        // Polled outside of its chain, it was taken along by a native that spawned it: the timer
        // that watches over the chain may be gone before it.
        if let (Some(at), None) = (this.inherited, Chain::current()) {
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.as_mut().poll(cx).is_ready() {
                let late = "the call took longer than its chain may";
                return Poll::Ready(Err(Error::new(ErrorKind::Timeout, late)));
            }
        }
        if !this.address.worker.is_watched_from_here() {
            return Poll::Pending;
        }
        let until = if is_first { this.given_up_at() } else { None };
        match this.address.worker.waiting().stay(&mut this.place, until, cx.waker()) {
            Some(why) => Poll::Ready(Err(this.given_up(why))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.address.worker.waiting().leave(&mut self.place);
    }
}
