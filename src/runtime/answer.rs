//! The answer to a call that was sent, for whoever waits for it.

use super::{
    context::{Address, Called},
    mailbox::ended,
    reply::Receiver,
    waiting::GaveUp,
    worker::Worker,
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
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

/// How long a caller on another thread looks for the answer before it suspends.
const LOOK: Duration = Duration::from_micros(10);

/// How many times a look asks before it looks at the clock.
const ASKED: u32 = 32;

/// A call that was sent. Dropping it gives the call up.
pub(crate) struct Answer {
    called: Called,
    reply: Receiver,
    deadline: Option<Instant>,
    /// It is one that a timer further up the chain watches. The callee watches any earlier one.
    is_inherited: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// Where it is counted among those who wait for the worker.
    counted: Option<u8>,
    was_polled: bool,
}

impl Answer {
    pub(super) fn new(
        called: Called,
        reply: Receiver,
        chain: Chain,
        inherited: Option<Instant>,
    ) -> Self {
        let (timer, counted, was_polled) = (None, None, false);
        let (deadline, is_inherited) = (chain.deadline, chain.deadline == inherited);
        Self { called, reply, deadline, is_inherited, timer, counted, was_polled }
    }

    /// Looks for the answer for a while, if that is likely to come soon.
    ///
    /// Whoever suspends must be woken, which takes longer than most calls do. But while one looks, the
    /// other tasks of its thread wait: those that have calls under way would rather send more of them.
    fn look(&self, worker: &Worker) {
        if !worker.is_watched_from_here() || !worker.is_worth_a_look() {
            return;
        }
        let until = std::time::Instant::now() + LOOK;
        let mut is_seen = false;
        while !is_seen && std::time::Instant::now() < until {
            for _ in 0..ASKED {
                is_seen = self.reply.is_over();
                if is_seen {
                    break;
                }
                hint::spin_loop();
            }
        }
        worker.note_look(is_seen);
    }
}

impl Address {
    /// When a call with this deadline should have been answered, also by a worker that is held.
    fn given_up_at(&self, deadline: Option<Instant>) -> Option<std::time::Instant> {
        let own = self.settings.limits.deadline;
        let own = own.and_then(|limit| Instant::now().checked_add(limit));
        deadline.into_iter().chain(own).min().map(Instant::into_std)
    }

    /// The error of a call whose worker is held.
    fn given_up(&self, why: GaveUp) -> Error {
        if why == GaveUp::Stuck && self.shared.why_ended() == ErrorKind::Shutdown {
            return ended(ErrorKind::Shutdown);
        }
        let what = match why {
            GaveUp::Late => "the call took longer than it may",
            GaveUp::Stuck => "the call was given up",
        };
        let name = self.name();
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
        let address = this.called.address()?;
        let is_first = !this.was_polled;
        if is_first {
            // What is always ready must let others run too.
            if !coop::has_budget_remaining() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.was_polled = true;
            this.look(&address.worker);
        }
        let (worker, deadline) = (&address.worker, this.deadline);
        let waiting = worker.is_watched_from_here().then(|| worker.waiting());
        match this.reply.poll(cx, waiting, || address.given_up_at(deadline)) {
            Poll::Ready(Ok(answer)) => {
                if is_first {
                    let _ = pin!(coop::consume_budget()).poll(cx);
                }
                // One that never comes means that the whole context went down with its worker.
                return Poll::Ready(answer.unwrap_or_else(|| Err(ended(ErrorKind::Dead))));
            }
            Poll::Ready(Err(why)) => return Poll::Ready(Err(address.given_up(why))),
            Poll::Pending => {}
        }
        if is_first && let Some(waiting) = waiting {
            this.counted = Some(waiting.count());
        }
        // Polled outside of its chain, it was taken along by a native that spawned it: the timer
        // that watches over the chain may be gone before it.
        if let Some(at) = this.deadline
            && this.is_inherited
            && Chain::current().is_none()
        {
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.as_mut().poll(cx).is_ready() {
                let late = "the call took longer than its chain may";
                return Poll::Ready(Err(Error::new(ErrorKind::Timeout, late)));
            }
        }
        Poll::Pending
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(counted) = self.counted
            && let Ok(address) = self.called.address()
        {
            address.worker.waiting().count_out(counted);
        }
    }
}
