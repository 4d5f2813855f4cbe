//! What an interpreter shares with the outside: the functions that others hold, and the calls that
//! wait. It can be used while the machine runs, or is kept by a call that is preempted.

use super::{
    handles::Handles, heap::Heap, machine::Run, marshal::Crossing, names::Names, value::Value,
};
use crate::engine::Scope;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) struct Border {
    pub(super) scope: Rc<dyn Scope>,
    /// Bytes in use, as of the last time that the machine was left.
    pub(super) memory: Cell<usize>,
    /// Functions that others hold, by their keys.
    handles: RefCell<Handles<Value>>,
    /// Calls that wait or that others run in between of, by their numbers.
    waiting: RefCell<Handles<Run>>,
}

impl Border {
    pub(super) fn new(scope: Rc<dyn Scope>) -> Self {
        let (handles, waiting) = (RefCell::default(), RefCell::default());
        Self { scope, memory: Cell::new(0), handles, waiting }
    }

    /// Has values cross.
    pub(super) fn cross<R>(
        &self,
        heap: &mut Heap,
        names: &Names,
        cross: impl FnOnce(&mut Crossing<'_>) -> R,
    ) -> R {
        let handles = &mut *self.handles.borrow_mut();
        cross(&mut Crossing { scope: &*self.scope, heap, names, handles })
    }

    /// The function that others hold under `key`.
    pub(super) fn held(&self, key: u64) -> Option<Value> {
        self.handles.borrow().get(key).copied()
    }

    /// Nobody holds it any more.
    pub(super) fn release(&self, key: u64) {
        self.handles.borrow_mut().remove(key);
    }

    pub(super) fn handles(&self) -> usize {
        self.handles.borrow().len()
    }

    /// Keeps a call while it waits, so that what it refers to is not freed.
    pub(super) fn park(&self, run: Run) -> u64 {
        self.waiting.borrow_mut().insert(run)
    }

    /// The call that was parked.
    pub(super) fn take(&self, number: u64) -> Run {
        self.waiting.borrow_mut().remove(number).unwrap_or_default()
    }

    /// Tells `mark` each value that others or waiting calls hold.
    pub(super) fn each(&self, round: u32, mark: &mut dyn FnMut(Value)) {
        self.handles.borrow().iter().for_each(|routine| mark(*routine));
        self.waiting.borrow().iter().for_each(|run| run.each(round, mark));
    }
}
