//! `setTimeout` and its family.

use super::{
    State, failure, guarded,
    value::{Outcome, Val},
};
use crate::{
    beat::{self, Beat},
    engines::js::owner::Owner,
};
use rquickjs_sys::*;
use std::{
    collections::{BTreeSet, HashMap},
    ffi::c_int,
    rc::Rc,
};
use tokio::time::Instant;

/// What a timer will do.
struct Timer {
    callback: Val,
    args: Vec<Val>,
    beat: Beat,
    /// The call that began it.
    owner: Rc<Owner>,
    /// It was due, and its callback has not ended.
    busy: bool,
}

/// The timers of a context, in the order in which they are due.
#[derive(Default)]
pub(super) struct Timers {
    by_id: HashMap<u64, Timer>,
    order: BTreeSet<(Instant, u64)>,
}

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    #[must_use = "dropping it may run finalisers, which must not happen under a borrow"]
    fn remove(&mut self, id: u64) -> Option<Timer> {
        let timer = self.by_id.remove(&id)?;
        self.order.remove(&(timer.beat.due(), id));
        Some(timer)
    }
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
    super::promise::admit(state, 0).map_err(|error| failure::throw(state, error))?;
    // As in browsers, what is no number or negative is the least that there is.
    let delay = beat::duration(delay);
    let beat = if repeats { Beat::every(delay) } else { Beat::once(delay) };
    let id = state.number();
    // What a call begins that was cut off would be cut off in turn.
    let owner = state.owner().filter(|owner| !owner.is_over());
    let Some(owner) = owner else { return timer_number(state, id) };
    let args = args.skip(1).collect();
    let timer = Timer { callback, args, beat, owner, busy: false };
    {
        let mut timers = state.timers.borrow_mut();
        timers.by_id.insert(id, timer);
        timers.order.insert((beat.due(), id));
    }
    crate::engines::js::work::run_timers(state);
    timer_number(state, id)
}

fn timer_number(state: &State, id: u64) -> Outcome<Val> {
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
        let gone = state.timers.borrow_mut().remove(id as u64);
        drop(gone);
        state.timers_changed.notify_one();
    }
    Ok(state.js.undefined())
}

/// Calls what timer `id` has come for.
pub(super) fn fire(state: &State, id: u64) {
    let (callback, args, over) = {
        let mut timers = state.timers.borrow_mut();
        let Some(timer) = timers.by_id.get(&id) else { return };
        let (callback, args) = (timer.callback.clone(), timer.args.clone());
        let over = if timer.beat.repeats() { None } else { timers.remove(id) };
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
    /// When the next timer is due; `None` if there is none.
    pub(in crate::engines::js) fn next_timer(&self) -> Option<(Instant, u64)> {
        self.timers.borrow().order.first().copied()
    }

    /// Resolves when a timer has come or gone.
    pub(in crate::engines::js) async fn timers_changed(&self) {
        self.timers_changed.notified().await;
    }

    /// Timer `id` is due: the call that began it, if its callback is to be called now.
    pub(in crate::engines::js) fn timer_is_due(&self, id: u64) -> Option<Rc<Owner>> {
        let mut timers = self.timers.borrow_mut();
        let timers = &mut *timers;
        let timer = timers.by_id.get_mut(&id)?;
        timers.order.remove(&(timer.beat.due(), id));
        if timer.beat.next() {
            timers.order.insert((timer.beat.due(), id));
        }
        // A beat that has not ended is not followed by another.
        (!std::mem::replace(&mut timer.busy, true)).then(|| timer.owner.clone())
    }

    /// The callback of timer `id` has ended.
    pub(in crate::engines::js) fn timer_has_fired(&self, id: u64) {
        if let Some(timer) = self.timers.borrow_mut().by_id.get_mut(&id) {
            timer.busy = false;
        }
    }

    /// The timers of a call that was cut off are gone.
    pub(in crate::engines::js) fn forget_timers_of(&self, owner: &Rc<Owner>) {
        let mut gone = Vec::new();
        {
            let mut timers = self.timers.borrow_mut();
            let of_owner = |timer: &Timer| Rc::ptr_eq(&timer.owner, owner);
            let ids = timers.by_id.iter().filter(|(_, timer)| of_owner(timer)).map(|(id, _)| *id);
            for id in ids.collect::<Vec<_>>() {
                gone.extend(timers.remove(id));
            }
        }
        if !gone.is_empty() {
            self.timers_changed.notify_one();
        }
    }

    /// `true` if no task fires the timers yet.
    pub(in crate::engines::js) fn begin_timers(&self) -> bool {
        self.timers_changed.notify_one();
        !self.timing.replace(true)
    }

    pub(in crate::engines::js) fn end_timers(&self) {
        self.timing.set(false);
    }
}
