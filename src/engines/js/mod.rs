//! JavaScript, on QuickJS-ng.
//!
//! Calls run on fibers and nest: QuickJS keeps its frames on the native stack, so of those that wait
//! only the innermost may go on. Promises interleave freely. All that touches the C API is in `ffi/`.

mod builtin;
mod ffi;
mod fidelity;
mod owner;
mod work;

use crate::{
    engine::{Begun, Chain, Engine, Interpreter, Overlap, Scope, Source},
    error::Result,
    fidelity::Rule,
    value::Value,
};
use ffi::{Job, State};
use futures::future::LocalBoxFuture;
use std::{
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// The JavaScript engine.
#[derive(Debug)]
pub(crate) struct JavaScript;

impl Engine for JavaScript {
    fn name(&self) -> &str {
        "js"
    }

    fn extensions(&self) -> &[&str] {
        &["js"]
    }

    fn open(&self, scope: Rc<dyn Scope>) -> Result<Rc<dyn Interpreter>> {
        Ok(Rc::new(Instance { state: State::open(scope)? }))
    }

    fn fidelity(&self) -> &'static [Rule] {
        fidelity::RULES
    }
}

/// One runtime of QuickJS.
struct Instance {
    state: Rc<State>,
}

impl Instance {
    fn start(&self, job: Job) -> impl Future<Output = Result<Value>> + Unpin + use<> {
        let chain = Chain::current().unwrap_or_else(|| self.state.scope().root());
        work::call(&self.state, chain, job)
    }
}

impl Interpreter for Instance {
    fn load(self: Rc<Self>, source: Source) -> LocalBoxFuture<'static, Result<Value>> {
        Box::pin(self.start(Job::Load(Box::new(source))))
    }

    fn call(self: Rc<Self>, key: u64, args: Vec<Value>) -> LocalBoxFuture<'static, Result<Value>> {
        Box::pin(self.start(Job::Call { key, args }))
    }

    fn begin(
        self: Rc<Self>,
        key: u64,
        args: &mut Vec<Value>,
        cx: &mut Context<'_>,
        result: &mut Result<Value>,
    ) -> Begun {
        let mut call = self.start(Job::Call { key, args: mem::take(args) });
        match Pin::new(&mut call).poll(cx) {
            Poll::Ready(ended) => {
                *result = ended;
                Begun::Ended
            }
            Poll::Pending => Begun::Waits(Box::pin(call)),
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
        Overlap::Nested
    }
}
