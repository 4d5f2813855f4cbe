//! What a context does without having been called: timers, promises.

use super::{Shared, context::Address};
use crate::{error::Error, fiber};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// The tasks of one context, which its actor polls beside its calls.
#[derive(Default)]
pub(crate) struct Background {
    /// Those that were begun since the last poll. A task may begin others while it is polled.
    begun: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    running: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// How many there are of both.
    count: Cell<usize>,
    /// The actor's.
    waker: RefCell<Option<Waker>>,
    /// The context has ended: nothing begins any more.
    closed: Cell<bool>,
}

/// Counts one task in its broker while it lives.
struct Counted(Arc<Shared>);

/// The same task, which counts in its broker from now on: until it has ended, that has not settled.
pub(super) fn counted<F: Future<Output = ()>>(
    shared: &Arc<Shared>,
    task: F,
) -> impl Future<Output = ()> + use<F> {
    // Those who wait want to hear of the last one only.
    shared.tasks.send_if_modified(|count| {
        *count += 1;
        false
    });
    let counted = Counted(shared.clone());
    async move {
        let _counted = counted;
        task.await;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.send_if_modified(|count| {
            *count -= 1;
            *count == 0
        });
    }
}

impl Background {
    pub(crate) fn len(&self) -> usize {
        self.count.get()
    }

    /// Begins a task of the context at `address`.
    pub(crate) fn spawn(&self, address: &Arc<Address>, task: LocalBoxFuture<'static, ()>) {
        if self.closed.get() {
            return;
        }
        let address = address.clone();
        let task = async move {
            // A panic of an engine ends the task and not the context.
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                address.failed(Error::from_panic(panic));
            }
        };
        self.count.set(self.count.get() + 1);
        self.begun.borrow_mut().push(task.boxed_local());
        // The actor looks for what is new.
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Polls all that can go on. `false`: the turn was over before one of them could.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> bool {
        match &mut *self.waker.borrow_mut() {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
        if self.count.get() == 0 {
            return true;
        }
        let mut was_polled = false;
        loop {
            if fiber::turn_is_over() {
                // Tasks and calls together get one slice.
                let _ = pin!(fiber::pass()).poll(cx);
                return was_polled;
            }
            let begun = self.begun.take();
            let mut running = self.running.borrow_mut();
            running.extend(begun);
            was_polled = true;
            match running.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => self.count.set(self.count.get().saturating_sub(1)),
                Poll::Ready(None) | Poll::Pending if self.begun.borrow().is_empty() => {
                    return true;
                }
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
    }

    /// Drops all tasks.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        // What a task does while it is dropped may come back here.
        drop(self.begun.take());
        drop(self.running.take());
        self.count.set(0);
    }
}
