//! `setTimeout` and its family.

use super::{
    State, failure, guarded,
    value::{Outcome, Val},
};
use rquickjs_sys::*;
use std::{ffi::c_int, time::Duration};
use tokio::sync::oneshot;

/// Waits that are longer are as good as for ever, and a clock could not count them.
const FAR: f64 = 1e12;

/// What a timer will do.
pub(super) struct Timer {
    callback: Val,
    args: Vec<Val>,
    repeats: bool,
    /// Dropped with the timer, which ends its task.
    _task: oneshot::Sender<()>,
}

/// The functions of the family.
#[derive(Clone, Copy)]
pub(super) enum Family {
    After,
    Every,
    Clear,
}

impl Family {
    const ALL: [Self; 3] = [Self::After, Self::Every, Self::Clear];

    /// The function called `name`, if it is one of the family.
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "setTimeout" => Self::After,
            "setInterval" => Self::Every,
            "clearTimeout" | "clearInterval" => Self::Clear,
            _ => return None,
        })
    }

    pub(super) fn function(self, state: &State, name: &std::ffi::CStr) -> Outcome<Val> {
        let (kind, js) = (JSCFunctionEnum_JS_CFUNC_generic_magic, state.js);
        // SAFETY: the form of the function is that of its kind, and the two are layouts of one
        // pointer, as in the header's own `JS_NewCFunctionMagic`.
        js.own(unsafe {
            let call = std::mem::transmute::<JSCFunctionMagic, JSCFunction>(Some(call));
            JS_NewCFunction2(js.0, call, name.as_ptr(), 1, kind, self as c_int)
        })
    }
}

unsafe extern "C" fn call(
    context: *mut JSContext,
    _: JSValue,
    count: c_int,
    args: *mut JSValue,
    magic: c_int,
) -> JSValue {
    guarded(context, |state| {
        let count = usize::try_from(count).unwrap_or(0);
        // SAFETY: QuickJS passes so many arguments, which live through the call.
        let args = unsafe { std::slice::from_raw_parts(args, count) };
        let args: Vec<Val> = args.iter().map(|arg| state.js.share(*arg)).collect();
        match Family::ALL.get(usize::try_from(magic).unwrap_or(0)) {
            Some(Family::After) => start(state, args, false),
            Some(Family::Every) => start(state, args, true),
            Some(Family::Clear) | None => clear(state, &args),
        }
    })
}

fn not_callable(state: &State, name: &str) -> super::value::Thrown {
    let message = format!("{name}: expected a function");
    let error = crate::error::Error::new(crate::error::ErrorKind::Type, message);
    failure::throw(state, error)
}

fn number(state: &State, value: Option<&Val>) -> Outcome<f64> {
    let Some(value) = value else { return Ok(0.0) };
    let mut number = 0.0;
    // SAFETY: the value lives through the call, which may run the script's own conversion.
    let done = unsafe { JS_ToFloat64(state.js.0, &raw mut number, value.raw()) };
    if done < 0 { Err(super::value::Thrown) } else { Ok(number) }
}

fn start(state: &State, args: Vec<Val>, repeats: bool) -> Outcome<Val> {
    let name = if repeats { "setInterval" } else { "setTimeout" };
    let delay = number(state, args.get(1))?;
    let mut args = args.into_iter();
    let callback = args.next().filter(|callback| state.js.is_function(callback.raw()));
    let Some(callback) = callback else { return Err(not_callable(state, name)) };
    // As in browsers: what is no number is 0. An interval of 0 would leave no time for others.
    let least = if repeats { 1.0 } else { 0.0 };
    let millis = if delay.is_nan() { least } else { delay.clamp(least, FAR) };
    let delay = Duration::from_secs_f64(millis / 1000.0);
    super::promise::admit(state, 0).map_err(|error| failure::throw(state, error))?;
    let id = state.number();
    let (task, cleared) = oneshot::channel();
    let timer = Timer { callback, args: args.skip(1).collect(), repeats, _task: task };
    state.timers.borrow_mut().insert(id, timer);
    crate::engines::js::work::run_timer(state, id, delay, repeats.then_some(delay), cleared);
    // SAFETY: makes a plain number.
    state.js.own(unsafe { JS_NewNumber(state.js.0, id as f64) })
}

fn clear(state: &State, args: &[Val]) -> Outcome<Val> {
    // What is no timer's number is passed over, as in browsers.
    if let Some(value) = args.first()
        && !value.is_object()
    {
        let id = number(state, Some(value)).unwrap_or_else(|_| {
            drop(state.js.catch());
            0.0
        });
        let gone = state.timers.borrow_mut().remove(&(id as u64));
        drop(gone);
    }
    Ok(state.js.undefined())
}

/// Calls what timer `id` has come for.
pub(super) fn fire(state: &State, id: u64) {
    let (callback, args, over) = {
        let mut timers = state.timers.borrow_mut();
        let Some(timer) = timers.get(&id) else { return };
        let (callback, args) = (timer.callback.clone(), timer.args.clone());
        let over = if timer.repeats { None } else { timers.remove(&id) };
        (callback, args, over)
    };
    drop(over);
    if let Err(thrown) = state.js.call(&callback, &state.js.undefined(), &args) {
        let error = failure::take(state, thrown);
        if !crate::fiber::dying() {
            state.scope().report(error);
        }
    }
}

impl State {
    /// The timer and its callback are gone.
    pub(in crate::engines::js) fn forget_timer(&self, id: u64) {
        let gone = self.timers.borrow_mut().remove(&id);
        drop(gone);
    }
}
