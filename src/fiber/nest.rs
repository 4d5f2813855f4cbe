//! Whose turn it is in an interpreter whose calls must finish innermost first.

use super::{Fiber, end_together, spawn, take_last_trace, tell_last_trace};
use crate::error::Result;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The calls inside one interpreter that keeps its frames on the native stack: only the innermost
/// may go on.
///
/// A call from another context always enters, on top of what waits there, so that A -> B -> A never
/// deadlocks. A *root*, a call from the host, enters only when nothing is inside: it is nobody's
/// answer, and would only bury what is. A call that has become ready while another is above it goes
/// on when that one has ended; what it waits for is driven meanwhile.
///
/// No circle of waiting can come of this: a call waits for calls that entered after it, those above
/// it and those that it makes, never for an earlier one. As with a [`Turn`](super::Turn), a
/// preempted call keeps the interpreter.
#[derive(Clone, Default)]
pub struct Nest(Rc<State>);

#[derive(Default)]
struct State {
    /// The calls inside, the innermost last.
    inside: RefCell<Vec<Inside>>,
    /// The roots that wait for an empty interpreter, in order.
    roots: RefCell<VecDeque<(u64, Waker)>>,
    /// Calls that were polled while the innermost kept the interpreter, in the order in which they
    /// enter: those that are to be first, then by number.
    waiting: RefCell<BTreeMap<(bool, u64), Waker>>,
    /// The innermost keeps the interpreter.
    kept: Cell<bool>,
    /// Somebody else is to enter first.
    reserved: Cell<bool>,
    /// Numbers the calls.
    next: Cell<u64>,
}

/// When a call may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// When nothing is inside: a call from the host.
    Root,
    /// On top of what waits inside.
    Nested,
    /// The same, and ahead of all others while the interpreter is [reserved](Nest::reserve).
    First,
}

struct Inside {
    id: u64,
    /// Its call was polled while it was not the innermost.
    waker: Option<Waker>,
    /// Its call was dropped then: the fiber is ended when it is the innermost.
    dropped: Option<Box<dyn Any>>,
}

impl Nest {
    /// A call that runs `f` on a fiber of its own once it may enter.
    pub fn enter<R: 'static, F: FnOnce() -> Result<R> + 'static>(
        &self,
        admission: Admission,
        f: F,
    ) -> impl Future<Output = Result<R>> + use<R, F> {
        let id = self.0.next.get() + 1;
        self.0.next.set(id);
        Entering { nest: self.0.clone(), id, admission, stage: Stage::Outside(f) }
    }

    /// Lets only those in that are to be [first](Admission::First), until it is taken back.
    pub fn reserve(&self, reserved: bool) {
        self.0.reserved.set(reserved);
        if !reserved {
            self.0.wake_next();
        }
    }

    /// Does the innermost call keep the interpreter, because it was preempted?
    pub fn is_kept(&self) -> bool {
        self.0.kept.get()
    }

    /// How many calls are inside the interpreter.
    pub fn depth(&self) -> usize {
        self.0.inside.borrow().len()
    }
}

impl State {
    /// May call `id` enter now? If not, `waker` is woken when it may.
    fn admits(&self, id: u64, admission: Admission, waker: &Waker) -> bool {
        // Nearly always nobody else is there.
        let is_free = !self.kept.get() && !self.reserved.get() && self.is_unwanted();
        if is_free && (admission != Admission::Root || self.inside.borrow().is_empty()) {
            return true;
        }
        self.admits_in_order(id, admission, waker)
    }

    /// Does nobody wait to enter?
    fn is_unwanted(&self) -> bool {
        self.waiting.borrow().is_empty() && self.roots.borrow().is_empty()
    }

    fn admits_in_order(&self, id: u64, admission: Admission, waker: &Waker) -> bool {
        let (is_root, is_first) = (admission == Admission::Root, admission == Admission::First);
        let mut waiting = self.waiting.borrow_mut();
        let key = (!is_first, id);
        let is_next = waiting.keys().next().is_none_or(|next| *next >= key);
        if self.kept.get() || (self.reserved.get() && !is_first) || !is_next {
            waiting.insert(key, waker.clone());
            return false;
        }
        waiting.remove(&key);
        drop(waiting);
        let mut roots = self.roots.borrow_mut();
        let is_next = roots.front().is_none_or(|root| root.0 == id);
        if is_root && !(is_next && self.inside.borrow().is_empty()) {
            match roots.iter_mut().find(|root| root.0 == id) {
                Some(root) => root.1.clone_from(waker),
                None => roots.push_back((id, waker.clone())),
            }
            self.wake_next();
            return false;
        }
        if is_root && !roots.is_empty() {
            roots.pop_front();
        }
        true
    }

    fn keep(&self, kept: bool) {
        self.kept.set(kept);
        if !kept {
            self.wake_next();
        }
    }

    /// Lets the next one that waits look whether it may enter.
    fn wake_next(&self) {
        if let Some(waker) = self.waiting.borrow().values().next() {
            waker.wake_by_ref();
        }
    }

    fn is_innermost(&self, id: u64) -> bool {
        self.inside.borrow().last().is_some_and(|inside| inside.id == id)
    }

    /// Changes the entry of call `id`, which is inside.
    fn with_entry(&self, id: u64, change: impl FnOnce(&mut Inside)) {
        if let Some(inside) = self.inside.borrow_mut().iter_mut().find(|inside| inside.id == id) {
            change(inside);
        }
    }

    /// The innermost has ended: ends those below it whose calls were dropped meanwhile, then lets
    /// the next one go on.
    fn leave(&self) {
        let is_empty = {
            let mut inside = self.inside.borrow_mut();
            inside.pop();
            inside.is_empty()
        };
        if is_empty && self.is_unwanted() {
            self.kept.set(false);
            return;
        }
        self.keep(false);
        // The clock that this asks is a system call away.
        if self.inside.borrow().last().is_some_and(|inside| inside.dropped.is_some()) {
            end_together(|| self.end_dropped());
        }
        let next = self.inside.borrow_mut().last_mut().and_then(|inside| inside.waker.take());
        match next {
            Some(waker) => waker.wake(),
            None => self.wake_root(),
        }
    }

    /// Ends the innermost calls that were dropped.
    fn end_dropped(&self) {
        loop {
            // A fiber that ends here may enter nothing, but it may release what takes borrows.
            let dropped = match self.inside.borrow_mut().last_mut() {
                Some(inside) => match inside.dropped.take() {
                    Some(dropped) => dropped,
                    None => return,
                },
                None => return,
            };
            // The trace that is told is that of the call that ended by itself.
            let trace = take_last_trace();
            drop(dropped);
            tell_last_trace(trace);
            self.inside.borrow_mut().pop();
        }
    }

    /// Lets the next root look whether it may enter.
    fn wake_root(&self) {
        if self.inside.borrow().is_empty()
            && let Some((_, waker)) = self.roots.borrow().front()
        {
            waker.wake_by_ref();
        }
    }

    /// A call that has not entered is gone.
    fn forget(&self, id: u64) {
        for late in [false, true] {
            self.waiting.borrow_mut().remove(&(late, id));
        }
        self.wake_next();
        let mut roots = self.roots.borrow_mut();
        let was_next = roots.front().is_some_and(|root| root.0 == id);
        roots.retain(|root| root.0 != id);
        drop(roots);
        if was_next {
            self.wake_root();
        }
    }
}

enum Stage<R, F> {
    /// It waits to be let in. Its stack is not taken before that.
    Outside(F),
    Inside(Fiber<R, F>),
    Over,
}

struct Entering<R: 'static, F: 'static> {
    nest: Rc<State>,
    id: u64,
    admission: Admission,
    stage: Stage<R, F>,
}

impl<R, F> Unpin for Entering<R, F> {}

impl<R: 'static, F: FnOnce() -> Result<R> + 'static> Future for Entering<R, F> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let this = &mut *self;
        if let Stage::Outside(_) = this.stage {
            if !this.nest.admits(this.id, this.admission, cx.waker()) {
                return Poll::Pending;
            }
            let Stage::Outside(f) = mem::replace(&mut this.stage, Stage::Over) else {
                return Poll::Pending;
            };
            match spawn(f) {
                Ok(fiber) => this.stage = Stage::Inside(fiber),
                Err(error) => {
                    this.nest.wake_next();
                    this.nest.wake_root();
                    return Poll::Ready(Err(error));
                }
            }
            let entry = Inside { id: this.id, waker: None, dropped: None };
            this.nest.inside.borrow_mut().push(entry);
        }
        let Stage::Inside(fiber) = &mut this.stage else { return Poll::Pending };
        if !this.nest.is_innermost(this.id) {
            fiber.advance(cx);
            this.nest.with_entry(this.id, |inside| inside.waker = Some(cx.waker().clone()));
            return Poll::Pending;
        }
        let result = Pin::new(&mut *fiber).poll(cx);
        this.nest.kept.set(result.is_pending() && fiber.keeps_interpreter());
        if result.is_ready() {
            this.stage = Stage::Over;
            this.nest.leave();
        } else if !this.nest.kept.get() {
            this.nest.keep(false);
        }
        result
    }
}

impl<R: 'static, F: 'static> Drop for Entering<R, F> {
    fn drop(&mut self) {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => {}
            Stage::Outside(_) => self.nest.forget(self.id),
            Stage::Inside(fiber) if self.nest.is_innermost(self.id) => {
                drop(fiber);
                self.nest.leave();
            }
            Stage::Inside(fiber) => {
                // Its frames lie below those of others: it is ended when they have gone. What it
                // waits for ends now.
                fiber.abandon();
                self.nest.with_entry(self.id, |inside| inside.dropped = Some(Box::new(fiber)));
            }
        }
    }
}
