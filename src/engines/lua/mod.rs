//! Lua 5.4.
//!
//! Every call runs on its own Lua thread (pooled), on a fiber, so calls of one context may wait at
//! any point of the language and finish in any order. All that touches the C API is in `ffi/`.

mod builtin;
mod ffi;
mod fidelity;
mod pattern;
mod plain;

use crate::{
    engine::{Begun, Engine, Interpreter, Overlap, Scope, Source},
    error::Result,
    fiber::{self, Turn},
    fidelity::Rule,
    value::Value,
};
use ffi::{Job, State};
use futures::future::{LocalBoxFuture, ready};
use std::{mem, rc::Rc, task::Context};

/// The Lua 5.4 engine.
#[derive(Debug)]
pub(crate) struct Lua;

impl Engine for Lua {
    fn name(&self) -> &str {
        "lua"
    }

    fn extensions(&self) -> &[&str] {
        &["lua"]
    }

    fn open(&self, scope: Rc<dyn Scope>) -> Result<Rc<dyn Interpreter>> {
        Ok(Rc::new(Instance { state: State::open(scope)?, turn: Turn::default() }))
    }

    fn fidelity(&self) -> &'static [Rule] {
        fidelity::RULES
    }
}

/// One Lua state.
struct Instance {
    state: Rc<State>,
    turn: Turn,
}

/// What a fiber runs.
#[inline]
fn run(state: Rc<State>, job: Job) -> impl FnOnce() -> Result<Value> {
    move || {
        let mut result = Ok(Value::Nil);
        state.run(job, &mut result);
        result
    }
}

impl Instance {
    fn start(&self, job: Job) -> LocalBoxFuture<'static, Result<Value>> {
        match fiber::spawn(run(self.state.clone(), job)) {
            Ok(fiber) => Box::pin(self.turn.take(fiber)),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Interpreter for Instance {
    fn load(self: Rc<Self>, source: Source) -> LocalBoxFuture<'static, Result<Value>> {
        match Job::load(source) {
            Ok(job) => self.start(job),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn call(self: Rc<Self>, key: u64, args: Vec<Value>) -> LocalBoxFuture<'static, Result<Value>> {
        self.start(Job::Call { key, args })
    }

    fn begin(
        self: Rc<Self>,
        key: u64,
        args: &mut Vec<Value>,
        cx: &mut Context<'_>,
        result: &mut Result<Value>,
    ) -> Begun {
        let mut job = Some(run(self.state.clone(), Job::Call { key, args: mem::take(args) }));
        match self.turn.begin(&mut job, cx, result) {
            None => Begun::Ended,
            Some(rest) => Begun::Waits(Box::pin(rest)),
        }
    }

    fn release(&self, key: u64) {
        self.state.release(key);
    }

    fn memory(&self) -> usize {
        self.state.memory()
    }

    fn handles(&self) -> usize {
        self.state.handles()
    }

    fn overlap(&self) -> Overlap {
        Overlap::Any
    }
}
