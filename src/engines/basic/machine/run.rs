//! One call while it runs: its frames and their registers.

use crate::engines::basic::{
    code::Proto,
    fault::Failure,
    heap::{Charge, Ref},
    objects::{Routine, block},
    value::Value,
};
use std::rc::Rc;

/// One call from outside, or the main program, with all that it calls within the interpreter.
#[derive(Default)]
pub(in crate::engines::basic) struct Run {
    /// The registers of all frames: those of one begin at its base, and overlap with its caller's,
    /// which left the arguments there.
    pub(super) stack: Vec<Value>,
    pub(super) frames: Vec<Frame>,
    /// Where the GOSUBs of the main program go on.
    pub(super) subs: Vec<u32>,
    /// Where the arguments end that [`Spread`](crate::engines::basic::code::Op::Spread) left.
    pub(super) spread: usize,
    /// Where the result belongs of what it waits for.
    pub(super) arriving: Arriving,
    /// What a RETURN of the main program says is wanted.
    pub(super) wants_result: bool,
    /// Where an operation was begun again for want of memory: how many frames there were, the next
    /// operation, and the fuel.
    pub(super) begun_again: Option<(usize, usize, u32)>,
    /// Keys that tell their own hash, for the operation that asked: what each was found to be.
    pub(super) keys: Vec<Key>,
    /// It has run operations.
    pub(super) begun: bool,
    /// What it takes.
    pub(super) charge: Charge,
}

/// What an object that tells its own hash was found to be as a key.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) object: Value,
    pub(super) hash: i64,
    /// The key of the dict that is equal, or the object itself.
    pub(super) found: Value,
}

impl Key {
    /// A key that is what it is.
    pub(super) fn plain(key: Value) -> Self {
        Self { object: key, hash: 0, found: key }
    }
}

#[derive(Clone, Copy, Default)]
pub(super) enum Arriving {
    #[default]
    Nothing,
    /// A result, for the register at this place of the stack.
    Result(usize),
    /// A line of input, for the same.
    Line(usize),
}

pub(super) struct Frame {
    pub(super) proto: Rc<Proto>,
    /// What a lambda shares is in its routine.
    pub(super) routine: Option<Ref<Routine>>,
    /// Where its registers begin.
    pub(super) base: usize,
    /// The operation that is next.
    pub(super) pc: usize,
    pub(super) then: Then,
}

/// What becomes of the result of a frame.
#[derive(Default)]
pub(super) enum Then {
    /// The caller gets it.
    #[default]
    Give,
    /// It goes to this place of the stack.
    Place(usize),
    /// It is a text for this place of the stack.
    Text(usize),
    /// TRY: the caller gets a report, also of a failure.
    Report,
    /// FINALLY: a failure waits here while the cleanup runs.
    CleanUp(Option<Box<Failure>>),
    /// It says what an object is as a key, for an operation whose arguments end here.
    Key(usize),
}

impl Run {
    /// Tells `mark` each value that it holds. The registers of the innermost frame need not reach
    /// as far as those of another one. Above all of them lies only what earlier frames have left.
    pub(in crate::engines::basic) fn each(&self, round: u32, mark: &mut dyn FnMut(Value)) {
        let tops = self.frames.iter().map(|frame| frame.base + frame.proto.registers);
        let top = tops.max().unwrap_or(0).max(self.spread).min(self.stack.len());
        self.stack[..top].iter().for_each(|value| mark(*value));
        for frame in &self.frames {
            frame.proto.each(round, mark);
            if let Some(routine) = frame.routine {
                mark(Value::Routine(routine));
            }
        }
        for key in &self.keys {
            mark(key.object);
            mark(key.found);
        }
    }

    /// Counts what it takes.
    pub(super) fn recount(&mut self) {
        let stack = block(self.stack.capacity() * size_of::<Value>());
        let frames = block(self.frames.capacity() * size_of::<Frame>());
        let subs = block(self.subs.capacity() * size_of::<u32>());
        self.charge.set(stack + frames + subs);
    }
}
