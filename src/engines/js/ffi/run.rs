//! One entry into the interpreter, from begin to end.

use super::{
    Call, State, failure, guarded, marshal, module, promise, push, timer,
    value::{Js, Outcome, Thrown, Val},
    with_call,
};
use crate::{
    engine::Source,
    engines::js::owner::Owner,
    error::{Error, ErrorKind, Frame, Result},
    fiber,
    value::Value,
};
use rquickjs_sys::*;
use std::{
    ffi::{CString, c_int},
    ptr,
    rc::Rc,
};
use tokio::sync::oneshot;

use JSPromiseStateEnum_JS_PROMISE_FULFILLED as FULFILLED;
use JSPromiseStateEnum_JS_PROMISE_REJECTED as REJECTED;

/// Promise jobs that run in one go: after so many, calls that wait to enter have their turn.
const BATCH: usize = 1000;

/// What an entry does.
pub(in crate::engines::js) enum Job {
    /// The top level of a script.
    Load(Source),
    /// A function that is held under a key.
    Call { key: u64, args: Vec<Value> },
    /// Settles the promise of an `.async` call. If the call that made it was cut off, what comes of
    /// that has only a short time left.
    Settle { id: u64, outcome: Result<Value>, cut: bool },
    /// Calls what a timer has come for.
    Timer(u64),
    /// Runs promise jobs.
    Pump,
}

/// What comes of an entry.
pub(in crate::engines::js) enum Ran {
    Value(Value),
    /// The result is a promise, which is not settled yet.
    Promise(oneshot::Receiver<Result<Value>>),
}

/// How the result of a script becomes a value, once its promise is fulfilled.
#[derive(Clone, Copy)]
pub(super) enum Finish {
    /// It is the value.
    Value,
    /// Nobody wants it.
    Nothing,
    /// It is an object that holds the value of the last expression.
    Script,
    /// There is none, but the module's exports are to be offered to other contexts.
    Module(*mut JSModuleDef),
}

/// The function at the bottom of every entry: traces end there.
pub(super) fn base(js: Js) -> Outcome<Val> {
    let generic = JSCFunctionEnum_JS_CFUNC_generic;
    // SAFETY: the function has the form of its kind, and the name is copied.
    js.own(unsafe { JS_NewCFunction2(js.0, Some(run_body), failure::BASE.as_ptr(), 0, generic, 0) })
}

unsafe extern "C" fn run_body(
    context: *mut JSContext,
    _: JSValue,
    _: c_int,
    _: *mut JSValue,
) -> JSValue {
    guarded(context, |state| {
        if let Some(Some(body)) = with_call(|call| call.body.take()) {
            // SAFETY: `on_fiber` put it there and waits for this call; it is taken only once.
            unsafe { (*body)() };
        }
        Ok(state.js.undefined())
    })
}

impl State {
    /// Runs an entry on the fiber that runs now.
    pub(in crate::engines::js) fn run(&self, job: Job, owner: Rc<Owner>) -> Result<Ran> {
        let mut job = Some(job);
        let mut result = Ok(Ran::Value(Value::Nil));
        let mut body = || {
            if let Some(job) = job.take() {
                result = self.perform(job);
            }
        };
        self.on_fiber(owner, &mut body)?;
        result
    }

    fn on_fiber(&self, owner: Rc<Owner>, body: &mut dyn FnMut()) -> Result<()> {
        self.repair_stack();
        // SAFETY: only the lifetime changes. The pointer is used by `run_body` alone, while this
        // function waits for it, and `call` is gone after that.
        let body = unsafe {
            std::mem::transmute::<*mut (dyn FnMut() + '_), *mut (dyn FnMut() + 'static)>(body)
        };
        let call = Call { owner, body: std::cell::Cell::new(Some(body)) };
        let tag = |call: *const Call| fiber::with_current(|control| control.tag.set(call.cast()));
        tag(&raw const call);
        let result = self.js.call(&self.base, &self.js.undefined(), &[]);
        tag(ptr::null());
        result.map(drop).map_err(|thrown| failure::take(self, thrown))
    }

    fn perform(&self, job: Job) -> Result<Ran> {
        // Jobs that are there already belong to others; they are run by the pump, so that the end
        // of this entry's call does not end them.
        let are_mine = !self.js.is_job_pending();
        if let Job::Settle { id, outcome, cut } = job {
            if cut && are_mine {
                // What the script does about it is the end of a call that was given up.
                fiber::doom();
            }
            promise::settle(self, id, outcome);
            if are_mine {
                self.run_jobs();
            }
            self.report_rejections();
            return Ok(Ran::Value(Value::Nil));
        }
        let started = match job {
            Job::Load(source) => self.load(source),
            Job::Call { key, args } => self.call(key, &args),
            Job::Timer(id) => {
                timer::fire(self, id);
                Ok((self.js.undefined(), Finish::Nothing))
            }
            Job::Pump => {
                self.run_jobs();
                Ok((self.js.undefined(), Finish::Nothing))
            }
            Job::Settle { .. } => Ok((self.js.undefined(), Finish::Nothing)),
        };
        if are_mine {
            self.run_jobs();
        }
        let result = started.and_then(|(value, finish)| self.finish(&value, finish));
        self.report_rejections();
        result
    }

    /// Runs promise jobs, as long as the slice lasts.
    fn run_jobs(&self) {
        for _ in 0..BATCH {
            let mut context = ptr::null_mut();
            // SAFETY: the runtime lives, and this fiber is the innermost (rule 3).
            let ran = unsafe { JS_ExecutePendingJob(self.js.runtime(), &raw mut context) };
            match ran {
                0 => return,
                1.. => {}
                _ => {
                    let error = failure::take(self, Thrown);
                    if !fiber::dying() {
                        self.scope().report(error);
                    }
                }
            }
            if fiber::expired() && !fiber::dying() {
                return;
            }
        }
    }

    /// Reports the promises that were rejected and that nobody has handled, once all jobs have run
    /// that might have.
    fn report_rejections(&self) {
        if self.rejected.borrow().is_empty() || self.js.is_job_pending() || fiber::dying() {
            return;
        }
        let rejected = self.rejected.take();
        for rejection in rejected {
            let error = failure::describe_thrown(self, &rejection.reason);
            self.scope().report(error);
        }
    }

    fn load(&self, source: Source) -> Result<(Val, Finish)> {
        let shown = source.name.trim_start_matches('=');
        let name = CString::new(shown)
            .map_err(|_| Error::new(ErrorKind::Load, "the script's name contains a NUL"))?;
        let is_module = source.folder.is_some();
        if is_module {
            self.folder.replace(source.folder);
        }
        let kind = match is_module {
            true => JS_EVAL_TYPE_MODULE,
            false => JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_ASYNC,
        };
        let compile = |text: &str| self.js.eval(text, &name, kind | JS_EVAL_FLAG_COMPILE_ONLY);
        // What begins as an object may be one, to somebody who wants the value.
        let as_object = match source.wants_result && source.text.trim_start().starts_with('{') {
            true => {
                compile(&format!("({}\n)", source.text)).map_err(|_| drop(self.js.catch())).ok()
            }
            false => None,
        };
        let compiled = match as_object {
            Some(compiled) => compiled,
            None => compile(&source.text)
                .map_err(|thrown| failure::not_compiled(self, thrown, &source.text))?,
        };
        let finish = match is_module {
            // SAFETY: reads a field of a plain value. The module lives as long as the context.
            true => Finish::Module(unsafe { JS_VALUE_GET_PTR(compiled.raw()) }.cast()),
            false => Finish::Script,
        };
        // SAFETY: the count of the compiled script goes over to the call.
        let started = self.js.own(unsafe { JS_EvalFunction(self.js.0, compiled.into_raw()) });
        let started = started.map_err(|thrown| failure::take(self, thrown))?;
        match (&finish, source.wants_result) {
            (Finish::Script, false) => Ok((started, Finish::Nothing)),
            _ => Ok((started, finish)),
        }
    }

    fn call(&self, key: u64, args: &[Value]) -> Result<(Val, Finish)> {
        let function = self.handles.borrow().get(key).cloned();
        let function =
            function.ok_or_else(|| Error::new(ErrorKind::Dead, "the function was released"))?;
        let push = |(index, value)| push::push_argument(self, index, value);
        let args = (1..).zip(args).map(push).collect::<Outcome<Vec<_>>>();
        let called = args.and_then(|args| self.js.call(&function, &self.js.undefined(), &args));
        match called {
            Ok(result) => Ok((result, Finish::Value)),
            Err(thrown) => Err(failure::take(self, thrown)),
        }
    }

    /// The result of an entry: a value, or what waits for a promise.
    fn finish(&self, value: &Val, mut finish: Finish) -> Result<Ran> {
        if !promise::is_promise(value) {
            return self.finished(value, finish).map(Ran::Value);
        }
        // SAFETY: it is a promise.
        let state = unsafe { JS_PromiseState(self.js.0, value.raw()) };
        // SAFETY: as above; without a result it is undefined.
        let result = || self.js.own(unsafe { JS_PromiseResult(self.js.0, value.raw()) });
        match state {
            FULFILLED => match result().and_then(|result| self.awaited(result, &mut finish)) {
                // What a script ends with may be a promise in turn.
                Ok(result) if promise::is_promise(&result) => self.finish(&result, finish),
                Ok(result) => self.finished(&result, finish).map(Ran::Value),
                Err(thrown) => Err(failure::take(self, thrown)),
            },
            REJECTED => {
                promise::handled(self, value);
                match result() {
                    Ok(reason) => Err(failure::describe_thrown(self, &reason)),
                    Err(thrown) => Err(failure::take(self, thrown)),
                }
            }
            _ => {
                let receiver = promise::watch(self, value, finish);
                receiver.map(Ran::Promise).map_err(|thrown| failure::take(self, thrown))
            }
        }
    }

    /// What a fulfilled promise stands for: that of a script holds the value of its last expression
    /// in an object.
    pub(super) fn awaited(&self, result: Val, finish: &mut Finish) -> Outcome<Val> {
        match finish {
            Finish::Script => {
                *finish = Finish::Value;
                self.js.get(&result, c"value")
            }
            Finish::Value | Finish::Nothing | Finish::Module(_) => Ok(result),
        }
    }

    /// The value of a result that is no promise any more.
    pub(super) fn finished(&self, value: &Val, finish: Finish) -> Result<Value> {
        match finish {
            Finish::Nothing => Ok(Value::Nil),
            Finish::Value | Finish::Script => {
                marshal::read(self, value.raw()).map_err(|error| error.at("result"))
            }
            Finish::Module(module) => {
                module::expose(self, module)?;
                Ok(Value::Nil)
            }
        }
    }
}

/// Only for its place in the trace: a call that was cut off.
pub(super) fn cancelled(frames: Vec<Frame>) -> Error {
    fiber::cancelled().called_from(frames)
}
