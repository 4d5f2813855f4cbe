//! Whose turn it is in one interpreter.

use super::Fiber;
use crate::error::Result;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The turn in one interpreter: a preempted call keeps it.
///
/// When a slice ends, other contexts of the worker run, but other calls of the *same* interpreter
/// wait until the preempted one goes on and waits or ends. So calls of one context interleave only
/// where the script itself waits, never in mid-expression (`n = n + f()` in overlapping calls stays
/// right). It cannot deadlock: the holder was not waiting for anything, it is always runnable. A
/// call that is *cancelled* does not wait for its turn: its handlers run at once, since what it
/// waits for (which may be the holder itself) ends with it.
#[derive(Clone, Default)]
pub struct Turn(Rc<State>);

#[derive(Default)]
struct State {
    /// The number of the call that was preempted; 0 if none was.
    holder: Cell<u64>,
    /// Numbers the calls.
    next: Cell<u64>,
    /// Calls that were polled meanwhile.
    waiting: RefCell<Vec<Waker>>,
}

impl Turn {
    /// The call on `fiber`, which runs only when it is its turn.
    pub fn take<R: 'static>(&self, fiber: Fiber<R>) -> impl Future<Output = Result<R>> + use<R> {
        let id = self.0.next.get() + 1;
        self.0.next.set(id);
        Taking { fiber: Some(fiber), turn: self.0.clone(), id }
    }
}

impl State {
    fn is_free_for(&self, id: u64) -> bool {
        matches!(self.holder.get(), 0) || self.holder.get() == id
    }

    fn free(&self, id: u64) {
        if self.holder.get() == id {
            self.holder.set(0);
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
}

struct Taking<R: 'static> {
    fiber: Option<Fiber<R>>,
    turn: Rc<State>,
    id: u64,
}

impl<R> Unpin for Taking<R> {}

impl<R> Future for Taking<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let this = &mut *self;
        if !this.turn.is_free_for(this.id) {
            this.turn.waiting.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(fiber) = this.fiber.as_mut() else { return Poll::Pending };
        let result = Pin::new(&mut *fiber).poll(cx);
        if result.is_pending() && fiber.keeps_interpreter() {
            this.turn.holder.set(this.id);
        } else {
            this.turn.free(this.id);
        }
        result
    }
}

impl<R: 'static> Drop for Taking<R> {
    fn drop(&mut self) {
        self.fiber = None;
        self.turn.free(self.id);
    }
}
