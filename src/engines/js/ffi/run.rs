//! One entry into the interpreter, from begin to end.

use super::{
    Call, State, failure, guarded, lookup, marshal, module, out_of_memory, promise, push, timer,
    value::{Args, Js, Outcome, Val},
    with_call,
};
use crate::{
    engine::Source,
    engines::js::{owner::Owner, work},
    error::{Error, ErrorKind, Result},
    fiber::{self, Target},
    value::{Value, give_back},
};
use rquickjs_sys::*;
use std::{
    cell::Cell,
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
    Load(Box<Source>),
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

/// The function at the bottom of an entry that stands on others: traces end there.
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
            // SAFETY: `above` put it there and waits for this call; it is taken only once.
            unsafe { (*body)() };
        }
        Ok(state.js.undefined())
    })
}

/// While code of a call runs: it is known to what it calls, and to whoever interrupts it.
struct Running(Target);

impl Running {
    fn begin(call: &Call<'_>) -> Self {
        let state = call.state;
        state.repair_stack();
        lookup::refresh(state);
        state.quick.meter.take_refused();
        let call: *const () = ptr::from_ref(call).cast();
        fiber::with_current(|control| control.tag.set(call));
        // SAFETY: the context lives as long as the state, and the target is taken back at the end.
        Self(fiber::running(unsafe { state.counter.target() }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        fiber::running(self.0);
        fiber::with_current(|control| control.tag.set(ptr::null()));
    }
}

impl State {
    /// Runs an entry on the fiber that runs now.
    pub(in crate::engines::js) fn run(&self, job: Job, owner: Rc<Owner>) -> Result<Ran> {
        let call = Call {
            state: self,
            is_pump: Cell::new(matches!(job, Job::Pump { .. })),
            owner,
            loads: Cell::new(false),
            ended: Cell::new(false),
            body: Cell::new(None),
        };
        let result = {
            let _running = Running::begin(&call);
            let body = || {
                self.add_jobs_for(&call.owner);
                let result = self.perform(job, &call);
                self.report_rejections();
                result
            };
            if self.nest.depth() > 1 { self.above_others(&call, body) } else { body() }
        };
        // Whatever an entry leaves, also one that was cut off, is run by the pump.
        if self.has_jobs() {
            work::pump_later(self);
        } else {
            self.forget_owners_of_jobs();
        }
        if call.ended.get() { Err(out_of_memory()) } else { result }
    }

    /// Runs the body of an entry with a frame of its own below it, which tells its trace from those
    /// of the calls that wait underneath.
    fn above_others(&self, call: &Call<'_>, body: impl FnOnce() -> Result<Ran>) -> Result<Ran> {
        let mut body = Some(body);
        let mut result = Ok(Ran::Value(Value::Nil));
        let mut run = || {
            if let Some(body) = body.take() {
                result = body();
            }
        };
        let run: *mut (dyn FnMut() + '_) = &raw mut run;
        // SAFETY: only the lifetime changes. The pointer is used by `run_body` alone, while this
        // function waits for it, and is taken back below.
        let run = unsafe {
            std::mem::transmute::<*mut (dyn FnMut() + '_), *mut (dyn FnMut() + 'static)>(run)
        };
        call.body.set(Some(run));
        let entered = self.js.call(&self.base, &self.js.undefined(), &[]);
        call.body.set(None);
        entered.map_err(|thrown| failure::take(self, thrown)).and(result)
    }

    fn perform(&self, job: Job, call: &Call<'_>) -> Result<Ran> {
        let (value, finish) = match job {
            Job::Call { key, args } => {
                let result = self.call(key, args)?;
                match marshal::scalar(result.raw()) {
                    Some(value) => return Ok(Ran::Value(value)),
                    None => (result, Finish::Value),
                }
            }
            Job::Load(source) => self.load(*source)?,
            Job::Settle { id, outcome } => {
                promise::settle(self, id, outcome);
                self.run_own_jobs(call);
                return Ok(Ran::Value(Value::Nil));
            }
            Job::Timer(id) => {
                timer::fire(self, id);
                return Ok(Ran::Value(Value::Nil));
            }
            Job::Pump { doomed } => {
                self.run_jobs(&call.owner, doomed);
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

    fn call(&self, key: u64, args: Vec<Value>) -> Result<Val> {
        let function = self.handles.borrow().get(key).cloned();
        let function =
            function.ok_or_else(|| Error::new(ErrorKind::Dead, "the function was released"))?;
        let called = || {
            let mut pushed = Args::new(self.js);
            for (index, value) in (1..).zip(&args) {
                pushed.push(push::push_argument(self, index, value)?);
            }
            give_back(args);
            self.js.call_with(&function, &self.js.undefined(), &mut pushed)
        };
        called().map_err(|thrown| failure::take(self, thrown))
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
