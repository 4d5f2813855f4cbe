//! Whose turn it is in one interpreter.

use super::{Fiber, cancelled, spawn};
use crate::error::Result;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
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
    /// Calls that were polled meanwhile, by number, in which order they go on.
    waiting: RefCell<BTreeMap<u64, Waker>>,
}

impl Turn {
    /// The call on `fiber`, which runs only when it is its turn.
    pub fn take<R, F>(
        &self,
        fiber: Fiber<R, F>,
    ) -> impl Future<Output = Result<R>> + Unpin + use<R, F> {
        Taking { fiber: Some(fiber), turn: self.0.clone(), id: self.0.number() }
    }

    /// The call that runs `job`, which is taken out of there, on a fiber of its own, with its first
    /// poll, in which most calls end: how goes into `result`, where nothing may be that has to be
    /// dropped. `Some`: the rest of one that has not ended.
    #[inline]
    pub fn begin<R, F>(
        &self,
        job: &mut Option<F>,
        cx: &mut Context<'_>,
        result: &mut Result<R>,
    ) -> Option<impl Future<Output = Result<R>> + Unpin + use<R, F>>
    where
        R: 'static,
        F: FnOnce() -> Result<R> + 'static,
    {
        let (turn, id) = (&*self.0, self.0.number());
        let fiber = if turn.admits(id, cx.waker()) {
            let begun = Fiber::begin(job, cx, result);
            turn.leave(id, begun.as_ref().is_some_and(Fiber::keeps_interpreter));
            begun?
        } else {
            match job.take().ok_or_else(cancelled).and_then(spawn) {
                Ok(fiber) => fiber,
                Err(error) => {
                    turn.forget(id);
                    *result = Err(error);
                    return None;
                }
            }
        };
        Some(Taking { fiber: Some(fiber), turn: self.0.clone(), id })
    }
}

impl State {
    /// The number of a call.
    fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    /// Lets call `id` go on, if it may.
    #[inline]
    fn poll<R, F>(
        &self,
        id: u64,
        fiber: &mut Fiber<R, F>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<R>> {
        if !self.admits(id, cx.waker()) {
            return Poll::Pending;
        }
        match Pin::new(&mut *fiber).poll(cx) {
            Poll::Ready(result) => {
                self.leave(id, false);
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.leave(id, fiber.keeps_interpreter());
                Poll::Pending
            }
        }
    }

    /// Call `id` has run, and ended or waits now. Does it keep the turn?
    #[inline]
    fn leave(&self, id: u64, keeps: bool) {
        if keeps {
            self.holder.set(id);
        } else {
            self.free(id);
        }
    }

    /// May call `id` go on now? If not, `waker` is woken when it may.
    #[inline]
    fn admits(&self, id: u64, waker: &Waker) -> bool {
        let holder = self.holder.get();
        if holder == id || (holder == 0 && self.waiting.borrow().is_empty()) {
            return true;
        }
        let mut waiting = self.waiting.borrow_mut();
        if holder == 0 && waiting.keys().next().is_none_or(|next| *next >= id) {
            waiting.remove(&id);
            return true;
        }
        waiting.insert(id, waker.clone());
        false
    }

    /// Call `id` does not keep the turn: the next one may go on.
    fn free(&self, id: u64) {
        if self.holder.get() == id {
            self.holder.set(0);
        }
        if self.holder.get() != 0 {
            return;
        }
        let waiting = self.waiting.borrow();
        if !waiting.is_empty()
            && let Some(waker) = waiting.values().next()
        {
            waker.wake_by_ref();
        }
    }

    /// Call `id` is gone.
    fn forget(&self, id: u64) {
        self.waiting.borrow_mut().remove(&id);
        self.free(id);
    }
}

struct Taking<R, F> {
    fiber: Option<Fiber<R, F>>,
    turn: Rc<State>,
    id: u64,
}

impl<R, F> Unpin for Taking<R, F> {}

impl<R, F> Future for Taking<R, F> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let Self { fiber: Some(fiber), turn, id } = &mut *self else { return Poll::Pending };
        let result = turn.poll(*id, fiber, cx);
        if result.is_ready() {
            self.fiber = None;
        }
        result
    }
}

impl<R, F> Drop for Taking<R, F> {
    fn drop(&mut self) {
        // One that has ended has left already.
        if self.fiber.take().is_some() {
            self.turn.forget(self.id);
        }
    }
}
