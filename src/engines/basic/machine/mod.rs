//! What runs a program: operations on registers, in frames of its own, so that no call of the
//! program is one of the native stack.
//!
//! The machine never waits. What has to be waited for leaves it as an [`Outcome::Wait`], and it
//! goes on when the result is there; in between, other calls may use it.

mod apply;
mod compare;
mod element;
mod external;
mod guard;
mod object;
mod rare;
mod run;
mod step;

pub(super) use run::Run;

use super::{
    border::Border,
    code::{Defined, Proto},
    compile,
    fault::{Code, Failure, Fault},
    heap::{Charge, Heap, Ref},
    library, marshal,
    names::Names,
    objects::Routine,
    syntax::Program,
    value::Value,
};
use crate::{
    engine::Scope,
    error::{Frame as TraceFrame, Result},
    fiber::{self, Operation},
    value::Value as Outside,
};
use external::External;
use run::{Arriving, Frame, Then};
use std::rc::Rc;

/// How deep calls within the interpreter may be nested, and GOSUBs.
const DEEPEST: usize = 100_000;

/// How many calls and rounds of loops there are between two looks at the end of the slice.
const STRETCH: u32 = 512;

/// How far a call has come.
pub(super) enum Outcome {
    /// It has ended, with this result.
    Done(Value),
    /// It goes on with the result of this.
    Wait(Operation),
    /// It has run for a while: others may want to.
    Pause,
    Failed(Failure),
}

/// What an operation leads to, if not to the next one.
pub(super) enum Flow {
    /// Its result is there.
    Next,
    /// Another frame is on top.
    Enter,
    Wait(Operation),
    /// The end of the call, with this result.
    Done(Value),
}

/// One interpreter.
pub(super) struct Machine {
    pub(super) heap: Heap,
    pub(super) names: Names,
    globals: Vec<Value>,
    /// The routines of the program by their numbers.
    routines: Vec<Option<Defining>>,
    externals: Vec<External>,
    /// The namespaces that IMPORT "@..." has opened, with their dots.
    opened: Vec<String>,
    pub(super) border: Rc<Border>,
    library: library::State,
    /// How many classes there were.
    classes: u32,
    guards: guard::Guards,
    /// Text on its way out.
    text: Vec<u8>,
    fuel: u32,
    /// What the names take.
    charge: Charge,
}

/// A routine that is defined.
struct Defining {
    proto: Rc<Proto>,
    /// Always the same value, so that it is equal to itself.
    value: Value,
}

impl Machine {
    pub(super) fn new(border: Rc<Border>) -> Self {
        let mut names = Names::default();
        let heap = Heap::new(border.scope.limits().memory_bytes);
        Self {
            guards: guard::Guards::new(&mut names),
            charge: heap.charge(0),
            heap,
            names,
            globals: Vec::new(),
            routines: Vec::new(),
            externals: Vec::new(),
            opened: Vec::new(),
            border,
            library: library::State::default(),
            classes: 0,
            text: Vec::new(),
            fuel: STRETCH,
        }
    }

    fn scope(&self) -> &dyn Scope {
        &*self.border.scope
    }

    /// Is there memory for the tree of a text?
    ///
    /// # Errors
    /// `memory` if not.
    pub(super) fn check_text(&self, text: &str) -> Result<(), Failure> {
        /// Bytes that the tree takes for one of the text, as texts commonly are.
        const TREE: usize = 32;
        /// What is short may be what frees something.
        const SHORT: usize = 4 << 10;
        if text.len() <= SHORT {
            return Ok(());
        }
        self.heap.reserve(text.len().saturating_mul(TREE))
    }

    /// A run of the main program; its routines are there from now on.
    pub(super) fn load(&mut self, program: &Program, wants_result: bool) -> Run {
        let main = compile::compile(program, &mut self.names, &mut self.heap);
        self.charge.set(self.names.bytes());
        for Defined { routine, proto } in &main.routines {
            let routine = *routine as usize;
            if self.routines.len() <= routine {
                self.routines.resize_with(routine + 1, || None);
            }
            let value =
                Routine::Script { proto: proto.clone(), me: Value::Nil, upvalues: [].into() };
            let value = self.heap.add_routine(value);
            self.routines[routine] = Some(Defining { proto: proto.clone(), value });
        }
        self.globals.resize(self.names.globals.len(), Value::Unset);
        let mut run = Run { wants_result, charge: self.heap.charge(0), ..Run::default() };
        run.stack.resize(main.registers, Value::Nil);
        let proto = Rc::new(main);
        run.frames.push(Frame { proto, routine: None, base: 0, pc: 0, then: Then::Give });
        run.recount();
        run
    }

    /// A run of a routine that somebody outside calls.
    ///
    /// # Errors
    /// Those of values that cannot enter.
    pub(super) fn call(&mut self, routine: Value, args: Vec<Outside>) -> Result<Run, Failure> {
        let mut run = Run { charge: self.heap.charge(0), ..Run::default() };
        run.stack.push(routine);
        run.stack.push(routine);
        for (number, arg) in (1..).zip(args) {
            // What is there already must not be freed meanwhile.
            run.spread = run.stack.len();
            let arg = self.enter(&run, &arg).map_err(|failure| match failure {
                Failure::Error(error) => Failure::Error(error.at(format_args!("args[{number}]"))),
                other => other,
            });
            run.stack.push(arg?);
        }
        run.spread = run.stack.len();
        let proto = self.guards.call.clone();
        run.frames.push(Frame { proto, routine: None, base: 0, pc: 0, then: Then::Give });
        run.recount();
        Ok(run)
    }

    /// Goes on with a call until it ends or leaves.
    pub(super) fn go_on(&mut self, run: &mut Run) -> Outcome {
        let outcome = loop {
            let stepped = match self.tidy(run) {
                Ok(true) => {
                    run.begun = true;
                    self.steps(run)
                }
                Ok(false) => break Outcome::Pause,
                Err(failure) => Err(failure),
            };
            match stepped {
                Ok(outcome) => break outcome,
                Err(failure) => {
                    if let Some(outcome) = self.fail(run, failure) {
                        break outcome;
                    }
                }
            }
        };
        self.border.memory.set(self.heap.bytes());
        outcome
    }

    /// Collects what is garbage if there is enough new. `false`: that takes longer, and others may
    /// want to run in between.
    ///
    /// # Errors
    /// `memory` if what is left is more than there may be.
    fn tidy(&mut self, run: &mut Run) -> Result<bool, Failure> {
        if !self.heap.is_due() {
            return Ok(true);
        }
        if !self.is_collecting() {
            self.begin(run);
        }
        if !self.heap.proceed() {
            return Ok(false);
        }
        // What begins only now may be what frees something.
        if run.begun {
            self.heap.reserve(0).map_err(|_| out_of_memory())?;
        }
        Ok(true)
    }

    fn is_collecting(&self) -> bool {
        self.heap.collection.is_some()
    }

    /// Ends a collection in the middle of which another call was interrupted.
    pub(super) fn settle(&mut self) {
        while !self.heap.proceed() {}
    }

    /// What a call waited for is there.
    pub(super) fn arrive(&mut self, run: &mut Run, result: Result<Outside>) -> Result<(), Failure> {
        let arriving = std::mem::take(&mut run.arriving);
        let result = result.map_err(Failure::Error)?;
        match arriving {
            Arriving::Nothing => {}
            Arriving::Result(at) => {
                let result = self.enter(run, &result)?;
                run.stack[at] = result;
            }
            Arriving::Line(at) => {
                let Outside::String(line) = result else {
                    return Err(
                        Fault::new(Code::InvalidString, "INPUT: the input has ended").into()
                    );
                };
                run.stack[at] = match run.stack[at] {
                    Value::Text(_) => self.heap.new_text(&line),
                    Value::Int(_) | Value::Real(_) => match super::number::Number::parse(&line) {
                        Some(number) => number.into(),
                        None => {
                            let line = String::from_utf8_lossy(&line);
                            let detail = format!("INPUT: `{line}` is no number");
                            return Err(Fault::new(Code::InvalidIdentifier, detail).into());
                        }
                    },
                    other => {
                        let kind = self.heap.type_of(other).name();
                        let detail = format!("INPUT: the variable holds {kind}");
                        return Err(Fault::new(Code::InvalidIdentifier, detail).into());
                    }
                };
            }
        }
        Ok(())
    }

    /// What becomes of a failure: the end of the call, unless it goes on with it.
    pub(super) fn fail(&mut self, run: &mut Run, failure: Failure) -> Option<Outcome> {
        match self.recover(run, failure) {
            Ok(None) => None,
            Ok(Some(result)) => Some(Outcome::Done(result)),
            Err(failure) => Some(Outcome::Failed(failure)),
        }
    }

    /// A value for others.
    pub(super) fn leave(&mut self, value: Value) -> Result<Outside> {
        let Self { heap, names, border, .. } = self;
        border.cross(heap, names, |crossing| crossing.leave(value))
    }

    /// A value of others.
    fn enter(&mut self, run: &Run, value: &Outside) -> Result<Value, Failure> {
        marshal::check(self.scope(), value).map_err(Failure::Error)?;
        for _ in 0..2 {
            let Self { heap, names, border, .. } = self;
            let before = heap.bytes();
            match border.cross(heap, names, |crossing| crossing.enter(value)) {
                Err(Failure::Memory(_)) => self.collect(run)?,
                entered => {
                    self.spend(self.heap.bytes().saturating_sub(before));
                    return entered;
                }
            }
        }
        Err(out_of_memory())
    }

    /// Frees what nobody can reach any more.
    ///
    /// # Errors
    /// `memory` if what is left is more than there may be.
    fn collect(&mut self, run: &Run) -> Result<(), Failure> {
        self.begin(run);
        while !self.heap.proceed() {
            // What was begun is ended, also for a call that is given up.
            fiber::checkpoint();
        }
        self.heap.reserve(0).map_err(|_| out_of_memory())
    }

    /// Begins a collection.
    fn begin(&mut self, run: &Run) {
        let Self { heap, globals, routines, externals, border, .. } = self;
        heap.begin(|round, mark| {
            globals.iter().for_each(|global| mark(*global));
            routines.iter().flatten().for_each(|routine| mark(routine.value));
            externals.iter().for_each(|external| external.each(mark));
            border.each(round, mark);
            run.each(round, mark);
        });
    }

    /// Where a run is, from its outermost frame to the innermost, in the words of a trace.
    pub(super) fn trace(run: &Run) -> Vec<TraceFrame> {
        /// The ends of a deep recursion say enough.
        const MOST: usize = 200;
        let of = |frame: &Frame| {
            let (proto, at) = (&frame.proto, frame.pc.saturating_sub(1));
            if guard::is_guard(proto) {
                return None;
            }
            let place = proto.place(at);
            let mut shown = TraceFrame::script("basic", &*proto.file).line(place.line);
            if !proto.name.is_empty() {
                shown = shown.function(&*proto.name);
            }
            Some(shown)
        };
        let frames = &run.frames;
        if frames.len() <= 2 * MOST {
            return frames.iter().filter_map(of).collect();
        }
        let (head, tail) = (&frames[..MOST], &frames[frames.len() - MOST..]);
        head.iter().chain(tail).filter_map(of).collect()
    }

    /// The value of a global variable, or its default.
    fn global(&mut self, run: &Run, number: u32) -> Result<Value, Failure> {
        match self.globals[number as usize] {
            Value::Unset => {
                let name = self.names.globals.name(number).clone();
                let name = self.names.externals.number(&name);
                self.external(run, name)
            }
            value => Ok(value),
        }
    }

    /// Puts a frame for a routine on top: its arguments lie behind the place `at`.
    fn push(
        &mut self,
        run: &mut Run,
        proto: Rc<Proto>,
        routine: Option<Ref<Routine>>,
        me: Value,
        at: usize,
        count: usize,
    ) -> Result<(), Failure> {
        let wanted = proto.parameters.len();
        if count > wanted && !proto.rest {
            let name = if proto.name.is_empty() { "the lambda" } else { &*proto.name };
            let detail = format!("{name} takes {wanted} arguments, {count} were given");
            return Err(Fault::new(Code::CloseBracketExpected, detail).into());
        }
        let mut args = run.stack.iter().skip(at + 1).take(count);
        if args.any(|value| matches!(value, Value::Iterator(_))) {
            let detail = "an iterator cannot be an argument";
            return Err(Fault::new(Code::InvalidIterator, detail).into());
        }
        if run.frames.len() >= DEEPEST {
            let detail = format!("more than {DEEPEST} calls in each other");
            return Err(Fault::new(Code::TooManyNested, detail).into());
        }
        let top = at + proto.registers;
        let end = top.max(at + 1 + count);
        if run.stack.len() < end || run.frames.len() == run.frames.capacity() {
            self.deepen(run, end)?;
        }
        run.stack[at] = me;
        run.begun_again = None;
        let mut next = at + 1 + count;
        if proto.rest {
            let rest = at + 1 + wanted;
            let mut left = Vec::new();
            if count > wanted {
                left = run.stack[rest..next].to_vec();
                left.reverse();
                next = rest;
            }
            let left = self.heap.new_list(left);
            while next < rest {
                run.stack[next] = self.missing(run, &proto, next - at - 1);
                next += 1;
            }
            run.stack[rest] = left;
            next = rest + 1;
        } else {
            while next <= at + wanted {
                run.stack[next] = self.missing(run, &proto, next - at - 1);
                next += 1;
            }
        }
        run.stack[next..top].fill(Value::Nil);
        proto.was_called.set(true);
        let pc = proto.entry as usize;
        run.frames.push(Frame { proto, routine, base: at, pc, then: Then::Give });
        Ok(())
    }

    /// Makes room for registers up to the place `end`, and for a frame.
    #[cold]
    fn deepen(&mut self, run: &mut Run, end: usize) -> Result<(), Failure> {
        // Vectors at least double.
        let stack = if end > run.stack.capacity() { end.max(2 * run.stack.capacity()) } else { 0 };
        let more = stack * size_of::<Value>() + run.frames.len() * size_of::<Frame>();
        if self.heap.reserve(more).is_err() {
            self.collect(run)?;
            self.heap.reserve(more).map_err(|_| out_of_memory())?;
        }
        if run.stack.len() < end {
            run.stack.resize(end, Value::Nil);
        }
        run.frames.reserve(1);
        run.recount();
        Ok(())
    }

    /// What a parameter has that no argument was given for.
    fn missing(&mut self, run: &Run, proto: &Proto, parameter: usize) -> Value {
        // Who calls from outside always finds the same.
        let is_inside =
            run.frames.last().is_some_and(|caller| !Rc::ptr_eq(&caller.proto, &self.guards.call));
        match proto.parameters.get(parameter) {
            _ if is_inside && proto.was_called.get() => Value::Nil,
            Some(true) => self.heap.new_text(b""),
            _ => Value::Int(0),
        }
    }
}

/// The error of a program that needs more memory than it may.
fn out_of_memory() -> Failure {
    Fault::from(Code::OutOfMemory).into()
}
