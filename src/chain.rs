//! The chain of calls that the running code works for.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
};
use tokio::time::Instant;

use crate::{
    error::{Error, ErrorKind, Result},
    limits::Fidelity,
};

/// Where the running call stands in its chain: what one call hands down to the next.
///
/// It travels through a thread-local that is set while a call is polled, so that a native that
/// calls a [`Function`](crate::Function) continues the chain without having to be told.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Tells the chains of one broker apart.
    pub number: u64,
    /// How many calls deep: 0 for a call from the host.
    pub depth: u32,
    /// When the chain must have ended. One timer, at the call that set it, watches over all below.
    pub deadline: Option<Instant>,
    /// How values cross, if a call of the chain chose otherwise than its context.
    pub fidelity: Option<Fidelity>,
}

thread_local! {
    static CURRENT: Cell<Option<Chain>> = const { Cell::new(None) };
}

impl Chain {
    /// The chain that the running code works for; `None` in code of the host.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// The next link.
    ///
    /// # Errors
    /// `depth` if it would be deeper than `limit`.
    pub fn deeper(self, limit: u32) -> Result<Self> {
        if self.depth >= limit {
            let message = format!("more than {limit} calls deep");
            return Err(Error::new(ErrorKind::Depth, message));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// The same chain, to end by `deadline` if that is earlier than what it has.
    pub fn until(self, deadline: Option<Instant>) -> Self {
        let deadline = match (self.deadline, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { deadline, ..self }
    }

    /// The same future as part of this chain, whoever polls it.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        let mut future = Box::pin(future);
        poll_fn(move |cx| self.run(|| future.as_mut().poll(cx)))
    }

    /// Runs `f`, one poll of a call, as part of this chain.
    // In the frame that has just made the chain: no copy of it is read back.
    #[inline(always)]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        /// Restores the outer chain, also when `f` panics.
        struct Restore(Option<Chain>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let mut restore = Restore(None);
        // Not `replace`, which would hand the outer one over in pieces.
        CURRENT.with(|current| restore.0 = current.replace(Some(*self)));
        f()
    }
}
