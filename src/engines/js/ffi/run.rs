//! One entry into the interpreter, from begin to end.

use super::{
    Call, State, failure, guarded, marshal, module, out_of_memory, promise, push, timer,
    value::{Js, Outcome, Val},
    with_call,
};
use crate::{
    engine::Source,
    engines::js::{owner::Owner, work},
    error::{Error, ErrorKind, Result},
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

/// What an entry does.
pub(in crate::engines::js) enum Job {
    /// The top level of a script.
    Load(Source),
    /// A function that is held under a key.
    Call { key: u64, args: Vec<Value> },
    /// Settles the promise of an `.async` call.
    Settle { id: u64, outcome: Result<Value> },
    /// Calls what a timer has come for.
    Timer(u64),
    /// Runs promise jobs. If what they belong to is over, they have only a short time left, and may
    /// wait for nothing.
    Pump { doomed: bool },
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
        let is_pump = matches!(job, Job::Pump { .. });
        let owner_of_body = owner.clone();
        let mut job = Some(job);
        let mut result = Ok(Ran::Value(Value::Nil));
        let mut body = || {
            if let Some(job) = job.take() {
                self.add_jobs_for(&owner_of_body);
                result = self.perform(job, &owner_of_body);
                self.report_rejections();
            }
        };
        let entered = self.on_fiber(owner, is_pump, &mut body);
        // Whatever an entry leaves, also one that was cut off, is run by the pump.
        work::pump_later(self);
        entered.and(result)
    }

    fn on_fiber(&self, owner: Rc<Owner>, is_pump: bool, body: &mut dyn FnMut()) -> Result<()> {
        self.repair_stack();
        // SAFETY: only the lifetime changes. The pointer is used by `run_body` alone, while this
        // function waits for it, and `call` is gone after that.
        let body = unsafe {
            std::mem::transmute::<*mut (dyn FnMut() + '_), *mut (dyn FnMut() + 'static)>(body)
        };
        let meter = self.quick.meter.clone();
        let ended = std::cell::Cell::new(false);
        self.quick.meter.take_refused();
        let call = Call {
            owner,
            is_pump,
            loads: std::cell::Cell::new(false),
            meter,
            ended,
            body: std::cell::Cell::new(Some(body)),
        };
        let tag = |call: *const Call| fiber::with_current(|control| control.tag.set(call.cast()));
        tag(&raw const call);
        // SAFETY: the context lives as long as `self`, and the target is taken back below.
        let outer = fiber::running(unsafe { self.counter.target() });
        let result = self.js.call(&self.base, &self.js.undefined(), &[]);
        fiber::running(outer);
        tag(ptr::null());
        let result = result.map(drop).map_err(|thrown| failure::take(self, thrown));
        if call.ended.get() && result.is_ok() { Err(out_of_memory()) } else { result }
    }

    fn perform(&self, job: Job, owner: &Rc<Owner>) -> Result<Ran> {
        let (value, finish) = match job {
            Job::Load(source) => self.load(source)?,
            Job::Call { key, args } => self.call(key, &args)?,
            Job::Settle { id, outcome } => {
                promise::settle(self, id, outcome);
                return Ok(Ran::Value(Value::Nil));
            }
            Job::Timer(id) => {
                timer::fire(self, id);
                return Ok(Ran::Value(Value::Nil));
            }
            Job::Pump { doomed } => {
                self.run_jobs(owner, doomed);
                return Ok(Ran::Value(Value::Nil));
            }
        };
        self.finish(&value, finish)
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
        with_call(|call| call.loads.set(is_module));
        // SAFETY: the count of the compiled script goes over to the call.
        let started = self.js.own(unsafe { JS_EvalFunction(self.js.0, compiled.into_raw()) });
        with_call(|call| call.loads.set(false));
        // What goes wrong while a module runs rejects its promise. What is thrown at once is that its
        // imports do not fit the exports of others.
        let started = started.map_err(|thrown| match is_module {
            true => failure::not_compiled(self, thrown, &source.text),
            false => failure::take(self, thrown),
        })?;
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
