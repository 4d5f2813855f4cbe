//! BASIC, in the dialect of MY-BASIC: an interpreter of our own, in safe Rust.
//!
//! A text is parsed to a tree (`parse/`, `syntax.rs`), compiled to operations on registers
//! (`compile/`, `code.rs`) and run by a machine (`machine/`) that keeps its frames itself. Each
//! call has a fiber, on which the machine is entered and left again: it is left to wait, and when
//! it has run for a while.

mod arena;
mod border;
mod class;
mod code;
mod collect;
mod compile;
mod dict;
mod fault;
mod fidelity;
mod handles;
mod heap;
mod lex;
mod library;
mod machine;
mod marshal;
mod names;
mod number;
mod objects;
mod parse;
mod syntax;
mod text;
mod token;
mod value;

use crate::{
    engine::{Engine, Interpreter, Overlap, Scope, Source},
    error::{Error, ErrorKind, INCOMPLETE, Result},
    fiber::{self, Turn},
    fidelity::Rule,
    value::Value as Outside,
};
use border::Border;
use fault::{Code, Failure, Fault};
use futures::future::{LocalBoxFuture, ready};
use machine::{Machine, Outcome, Run};
use std::{
    cell::{RefCell, RefMut},
    path::{Path, PathBuf},
    rc::Rc,
};
use syntax::{Place, Program, StatementKind};

/// The BASIC engine.
#[derive(Debug)]
pub(crate) struct Basic;

impl Engine for Basic {
    fn name(&self) -> &str {
        "basic"
    }

    fn extensions(&self) -> &[&str] {
        &["bas"]
    }

    fn open(&self, scope: Rc<dyn Scope>) -> Result<Rc<dyn Interpreter>> {
        let border = Rc::new(Border::new(scope));
        let machine = RefCell::new(Machine::new(border.clone()));
        let state = Rc::new(State { machine, border });
        Ok(Rc::new(Instance { state, turn: Turn::default() }))
    }

    fn fidelity(&self) -> &'static [Rule] {
        fidelity::RULES
    }

    fn has_bools(&self) -> bool {
        false
    }
}

struct Instance {
    state: Rc<State>,
    turn: Turn,
}

struct State {
    machine: RefCell<Machine>,
    border: Rc<Border>,
}

/// What a call runs.
enum Job {
    Load(Source),
    Call { key: u64, args: Vec<Outside> },
}

impl Instance {
    fn start(&self, job: Job) -> LocalBoxFuture<'static, Result<Outside>> {
        let state = self.state.clone();
        match fiber::spawn(move || state.run(job)) {
            Ok(fiber) => Box::pin(self.turn.take(fiber)),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Interpreter for Instance {
    fn load(self: Rc<Self>, source: Source) -> LocalBoxFuture<'static, Result<Outside>> {
        self.start(Job::Load(source))
    }

    fn call(
        self: Rc<Self>,
        key: u64,
        args: Vec<Outside>,
    ) -> LocalBoxFuture<'static, Result<Outside>> {
        self.start(Job::Call { key, args })
    }

    fn release(&self, key: u64) {
        self.state.border.release(key);
    }

    fn memory(&self) -> usize {
        let State { machine, border } = &*self.state;
        machine.try_borrow().map_or_else(|_| border.memory.get(), |machine| machine.heap.bytes())
    }

    fn handles(&self) -> usize {
        self.state.border.handles()
    }

    fn overlap(&self) -> Overlap {
        Overlap::Any
    }
}

impl State {
    /// Runs a call to its end, on the fiber that runs now.
    fn run(&self, job: Job) -> Result<Outside> {
        let run = &mut self.begin(job)?;
        let mut outcome = self.machine()?.go_on(run);
        loop {
            outcome = match outcome {
                Outcome::Done(value) => {
                    return self.machine()?.leave(value).map_err(|error| error.at("result"));
                }
                Outcome::Pause => {
                    // Calls that are given up may run in between.
                    let number = self.border.park(std::mem::take(run));
                    let goes_on = fiber::checkpoint();
                    *run = self.border.take(number);
                    match goes_on {
                        true => self.borrow()?.go_on(run),
                        false => self.fail(run, Failure::Stopped)?,
                    }
                }
                Outcome::Wait(operation) => {
                    let number = self.border.park(std::mem::take(run));
                    let result = fiber::block_on(operation);
                    *run = self.border.take(number);
                    match result {
                        Ok(result) => {
                            let arrived = self.machine()?.arrive(run, result);
                            match arrived {
                                Ok(()) => self.machine()?.go_on(run),
                                Err(failure) => self.fail(run, failure)?,
                            }
                        }
                        Err(_) => self.fail(run, Failure::Stopped)?,
                    }
                }
                Outcome::Failed(failure) => return Err(error(failure)),
            };
        }
    }

    /// The machine, without a collection under way: a call that is given up does not wait for the
    /// one that was interrupted in it.
    fn machine(&self) -> Result<RefMut<'_, Machine>> {
        let mut machine = self.borrow()?;
        machine.settle();
        Ok(machine)
    }

    /// A call that is given up while another one is in the middle of an operation has to do
    /// without.
    fn borrow(&self) -> Result<RefMut<'_, Machine>> {
        self.machine.try_borrow_mut().map_err(|_| fiber::cancelled())
    }

    /// Goes on with a call in which something has failed.
    fn fail(&self, run: &mut Run, failure: Failure) -> Result<Outcome> {
        let mut machine = self.machine()?;
        let ended = machine.fail(run, failure);
        Ok(ended.unwrap_or_else(|| machine.go_on(run)))
    }

    fn begin(&self, job: Job) -> Result<Run> {
        match job {
            Job::Load(source) => {
                self.machine()?.check_text(&source.text).map_err(error)?;
                let program = self.parse(&source)?;
                Ok(self.machine()?.load(&program, source.wants_result))
            }
            Job::Call { key, args } => {
                let Some(routine) = self.border.held(key) else {
                    return Err(Error::new(ErrorKind::NotFound, "the function is gone"));
                };
                self.machine()?.call(routine, args).map_err(error)
            }
        }
    }

    fn parse(&self, source: &Source) -> Result<Program> {
        let mut import = |path: &str| self.import(source.folder.as_deref(), path);
        let mut parse = |text: &str| parse::parse(&source.name, text, &mut import);
        let program = parse(&source.text);
        if source.wants_result {
            // Somebody who wants the value may write only an expression.
            let is_call = |program: &Program| match &program.body[..] {
                [only] => matches!(only.kind, StatementKind::Call(_)),
                _ => false,
            };
            if program.as_ref().map_or(true, |program| is_call(program) || !is_sound(program))
                && let Ok(expression) = parse(&format!("RETURN {}", source.text))
                && expression.body.len() == 1
                && is_sound(&expression)
            {
                return Ok(expression);
            }
            // Whoever reads it line by line has more to come.
            if program.as_ref().is_ok_and(|program| program.incomplete) {
                let error = Error::new(ErrorKind::Load, "the text ends too early");
                return Err(error.with_payload(INCOMPLETE.into()));
            }
        }
        program.map_err(|(failure, place)| located(failure, &source.name, place))
    }

    /// The text of a file beside the script.
    fn import(&self, folder: Option<&Path>, path: &str) -> Result<String, Failure> {
        let fault = |detail: String| Failure::from(Fault::new(Code::FailedToOpen, detail));
        let Some(folder) = folder else {
            return Err(fault(format!("{path}: this text has no folder to import from")));
        };
        let read = self.border.scope.read_module(folder, &PathBuf::from(path));
        match fiber::block_on_keeping(read) {
            Ok(Ok(Outside::String(text))) => String::from_utf8(text.to_vec())
                .map_err(|_| fault(format!("{path}: it is not UTF-8"))),
            Ok(Ok(_)) => Err(fault(format!("{path}: it is no text"))),
            Ok(Err(error)) => Err(fault(error.message().to_string())),
            Err(_) => Err(Failure::Stopped),
        }
    }
}

/// Is there nothing in a program that cannot be parsed?
fn is_sound(program: &Program) -> bool {
    compile::is_sound(&program.body)
}

/// The error of a failure at the end of a call.
fn error(failure: Failure) -> Error {
    match failure {
        Failure::Traced(error) | Failure::Error(error) => error,
        Failure::Fault(fault) => fault.error(),
        Failure::Memory(_) => Fault::from(Code::OutOfMemory).error(),
        Failure::Stopped | Failure::Ended => fiber::cancelled(),
    }
}

/// The error of a text that cannot be loaded.
fn located(failure: Failure, name: &str, place: Place) -> Error {
    match failure {
        Failure::Fault(fault) => {
            let message = format!("{name}:{}:{}: {fault}", place.line, place.column);
            Error::new(ErrorKind::Load, message).with_payload(fault.payload())
        }
        other => error(other),
    }
}
