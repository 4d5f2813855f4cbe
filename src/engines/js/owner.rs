//! What belongs to one call: when it is cut off, so is what it has begun.

use crate::{
    chain::Chain,
    error::{Error, ErrorKind},
    fiber,
};
use std::{cell::Cell, future::Future, pin::pin};
use tokio::sync::Notify;

/// The life of one call, shared with the promises and timers that it has begun.
///
/// A call that was cut off (its deadline, its caller) takes them along. One that ended by itself
/// leaves them running, as JavaScript does.
pub(super) struct Owner {
    pub(super) chain: Chain,
    life: Cell<Life>,
    cut: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Ended,
    Cut,
}

impl Owner {
    pub(super) fn new(chain: Chain) -> Self {
        Self { chain, life: Cell::new(Life::Running), cut: Notify::new() }
    }

    pub(super) fn is_running(&self) -> bool {
        self.life.get() == Life::Running
    }

    /// The call has ended by itself.
    pub(super) fn end(&self) {
        if self.is_running() {
            self.life.set(Life::Ended);
        }
    }

    /// The call was cut off, unless it has ended.
    pub(super) fn cut(&self) {
        if self.is_running() {
            self.life.set(Life::Cut);
            self.cut.notify_waiters();
        }
    }

    /// Resolves when the call is cut off.
    pub(super) async fn when_cut(&self) {
        let mut cut = pin!(self.cut.notified());
        cut.as_mut().enable();
        if self.life.get() != Life::Cut {
            cut.await;
        }
    }

    /// Drives `work` until it ends or the call is cut off. After the call's own end, nobody watches
    /// its deadline but this.
    pub(super) async fn until_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let late = async {
            match self.chain.deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
            // The timer of the call itself is what ends a running one.
            if self.is_running() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.when_cut() => Err(fiber::cancelled()),
            result = work => Ok(result),
            () = late => Err(Error::new(ErrorKind::Timeout, "the call took longer than it may")),
        }
    }
}

/// Cuts its call off when it is dropped before the call has ended.
pub(super) struct CutOnDrop(pub(super) std::rc::Rc<Owner>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}
