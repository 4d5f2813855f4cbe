//! Promises at the border: those that `.async` makes, those that scripts return, and those that
//! were rejected.

use super::{
    State, failure, guarded,
    native::{self, Target},
    push,
    run::Finish,
    value::{Outcome, Val},
};
use crate::{
    engines::js::owner::Owner,
    error::{Error, ErrorKind, Result},
    fiber::Operation,
    value::Value,
};
use JSPromiseHookType_JS_PROMISE_HOOK_INIT as MADE;
use JSPromiseHookType_JS_PROMISE_HOOK_RESOLVE as FULFILLED;
use rquickjs_sys::*;
use std::{
    cell::Cell,
    collections::HashMap,
    ffi::c_void,
    hash::{BuildHasherDefault, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};
use tokio::sync::oneshot;

/// What settles a promise.
pub(super) struct Settlers {
    resolve: Val,
    reject: Val,
    /// What the arguments of the call take outside of the interpreter.
    bytes: usize,
}

/// Promises and timers that a context may have under way. Each is a task of several hundred bytes
/// outside of the interpreter's memory limit.
const MOST_TASKS: usize = 1 << 16;

/// May the running script begin another promise or timer, which holds so many bytes outside of the
/// interpreter?
///
/// # Errors
/// `busy` if it has too many, `memory` if they hold more than the context's memory limit.
pub(super) fn admit(state: &State, bytes: usize) -> Result<()> {
    let promises = state.promises.borrow();
    if promises.len() + state.timers.borrow().len() >= MOST_TASKS {
        let message = format!("more than {MOST_TASKS} promises and timers are under way");
        return Err(Error::new(ErrorKind::Busy, message));
    }
    if state.pending_bytes.get().saturating_add(bytes) > state.scope().limits().memory_bytes {
        return Err(super::out_of_memory());
    }
    Ok(())
}

/// A promise that was rejected.
pub(super) struct Rejected {
    promise: Val,
    pub(super) reason: Val,
}

/// Taken by whoever answers.
type Sender = Rc<Cell<Option<oneshot::Sender<Result<Value>>>>>;

/// Where the outcome of a promise goes, to whichever of its two handlers is called.
#[derive(Clone)]
pub(super) struct Answer {
    sender: Sender,
    finish: Finish,
    /// The handler for the fulfilled promise, or the one for the rejected.
    fulfilled: bool,
}

impl Answer {
    /// The handler is called with the promise's result.
    pub(super) fn give(&self, state: &State, result: &Val) {
        let Some(sender) = self.sender.take() else { return };
        let answer = match self.fulfilled {
            true => {
                let mut finish = self.finish;
                match state.awaited(result.clone(), &mut finish) {
                    // What a script ends with may be a promise in turn.
                    Ok(inner) if is_promise(&inner) => {
                        self.sender.set(Some(sender));
                        return watch_with(state, &inner, finish, &self.sender);
                    }
                    Ok(inner) => state.finished(&inner, finish),
                    Err(thrown) => Err(failure::take(state, thrown)),
                }
            }
            false => Err(failure::describe_thrown(state, result)),
        };
        if sender.send(answer).is_err() {
            state.find_call();
        }
    }
}

pub(super) fn is_promise(value: &Val) -> bool {
    // SAFETY: asks for the class of a live value.
    unsafe { JS_IsPromise(value.raw()) }
}

/// A promise for what `operation` ends with.
pub(super) fn begin(state: &State, mut operation: Operation, bytes: usize) -> Outcome<Val> {
    // What is through at once needs no task. What is not is polled again by its own.
    let mut nobody = Context::from_waker(Waker::noop());
    let first = catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(&mut nobody)));
    let first = first.unwrap_or_else(|panic| Poll::Ready(Err(Error::from_panic(panic))));
    if let Poll::Ready(outcome) = first {
        return settled(state, outcome);
    }
    let js = state.js;
    let mut settlers = [JS_UNDEFINED; 2];
    // SAFETY: the call fills both, or fails.
    let promise = js.own(unsafe { JS_NewPromiseCapability(js.0, settlers.as_mut_ptr()) })?;
    let [resolve, reject] = settlers.map(|settler| js.plain(settler));
    let id = state.number();
    state.pending_bytes.set(state.pending_bytes.get() + bytes);
    state.promises.borrow_mut().insert(id, Settlers { resolve, reject, bytes });
    crate::engines::js::work::finish_later(state, id, operation);
    Ok(promise)
}

/// A promise that is settled already.
pub(super) fn settled(state: &State, outcome: Result<Value>) -> Outcome<Val> {
    let js = state.js;
    let (value, rejected) =
        match outcome.and_then(|value| push::check(state, &value).map(|()| value)) {
            Ok(value) => (push::push(state, &value)?, false),
            Err(error) => (failure::object(state, error)?, true),
        };
    // SAFETY: the value lives through the call.
    js.own(unsafe { JS_NewSettledPromise(js.0, rejected, value.raw()) })
}

/// Settles the promise of an `.async` call.
pub(super) fn settle(state: &State, id: u64, outcome: Result<Value>) {
    let Some(Settlers { resolve, reject, bytes }) = state.promises.borrow_mut().remove(&id) else {
        return;
    };
    state.pending_bytes.set(state.pending_bytes.get().saturating_sub(bytes));
    let js = state.js;
    let checked = outcome.and_then(|value| push::check(state, &value).map(|()| value));
    let settled = match checked {
        Ok(value) => match push::push(state, &value) {
            Ok(value) => js.call(&resolve, &js.undefined(), &[value]),
            Err(_) => {
                let reason = js.catch();
                js.call(&reject, &js.undefined(), &[reason])
            }
        },
        Err(error) => failure::object(state, error)
            .or_else(|_| Ok(js.catch()))
            .and_then(|reason| js.call(&reject, &js.undefined(), &[reason])),
    };
    if settled.is_err() {
        drop(js.catch());
    }
}

/// What hears of the outcome of a promise that a script returned.
pub(super) fn watch(
    state: &State,
    promise: &Val,
    finish: Finish,
) -> Outcome<oneshot::Receiver<Result<Value>>> {
    let (sender, receiver) = oneshot::channel();
    then(state, promise, finish, &Rc::new(Cell::new(Some(sender))))?;
    Ok(receiver)
}

/// The same with an answer that somebody waits for already.
fn watch_with(state: &State, promise: &Val, finish: Finish, sender: &Sender) {
    if let Err(thrown) = then(state, promise, finish, sender) {
        let error = failure::take(state, thrown);
        sender.take().into_iter().for_each(|sender| drop(sender.send(Err(error.clone()))));
    }
}

/// Adds the two handlers of an answer to a promise.
fn then(state: &State, promise: &Val, finish: Finish, sender: &Sender) -> Outcome<()> {
    let handler = |fulfilled| {
        let answer = Answer { sender: sender.clone(), finish, fulfilled };
        native::function(state, Target::Answer(answer))
    };
    let (on_fulfilled, on_rejected) = (handler(true)?, handler(false)?);
    // SAFETY: all live through the call; what it returns is a promise that nobody needs.
    drop(state.js.own(unsafe {
        JS_PromiseThen(state.js.0, promise.raw(), on_fulfilled.raw(), on_rejected.raw())
    })?);
    Ok(())
}

/// The rejection of a promise has found somebody.
pub(super) fn handled(state: &State, promise: &Val) {
    // SAFETY: it is a promise that lives.
    unsafe { JS_PromiseMarkAsHandled(state.js.0, promise.raw()) };
    forget(state, promise.address());
}

fn forget(state: &State, promise: usize) {
    let mut rejected = state.rejected.borrow_mut();
    let found = rejected.iter().position(|one| one.promise.address() == promise);
    let gone = found.map(|index| rejected.remove(index));
    // Not under the borrow: what it frees may run finalisers.
    drop(rejected);
    drop(gone);
}

/// QuickJS tells of rejections that have no handler, and when one comes after all.
pub(super) unsafe extern "C" fn on_rejection(
    context: *mut JSContext,
    promise: JSValue,
    reason: JSValue,
    is_handled: bool,
    _: *mut c_void,
) {
    let note = |state: &State| {
        if is_handled {
            forget(state, super::value::address(promise));
        } else if !crate::fiber::dying() {
            // What a script is refused while it ends is no news.
            let (promise, reason) = (state.js.share(promise), state.js.share(reason));
            state.rejected.borrow_mut().push(Rejected { promise, reason });
        }
        Ok(state.js.undefined())
    };
    guarded(context, note);
}

/// Hashes numbers that scripts do not choose: addresses, and those of a series.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        // The multiplier of Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4).
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// What is found by such a number.
pub(super) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Whose call made a promise, by the promise's address: until it is fulfilled, or its address is
/// used again.
#[derive(Default)]
pub(super) struct Makers {
    calls: Numbered<usize, Weak<Owner>>,
    /// How many there were when the forgotten ones were cleared away last.
    cleared: usize,
}

/// Makers that are kept before the first look for forgotten ones.
const FEW: usize = 1024;

impl Makers {
    fn insert(&mut self, promise: usize, call: &Rc<Owner>) {
        if self.calls.len() >= 2 * self.cleared.max(FEW) {
            // A call that is gone and one that is not known are the same.
            self.calls.retain(|_, call| call.strong_count() > 0);
            self.cleared = self.calls.len();
        }
        self.calls.insert(promise, Rc::downgrade(call));
    }
}

/// QuickJS tells when a promise is made, and when it is about to be fulfilled: the jobs that follow
/// may be of the call that made it, which need not be the one that fulfils it.
pub(super) unsafe extern "C" fn on_promise(
    context: *mut JSContext,
    event: JSPromiseHookType,
    promise: JSValue,
    _: JSValue,
    _: *mut c_void,
) {
    let note = |state: &State| {
        let promise = super::value::address(promise);
        let Some(current) = state.owner() else { return Ok(state.js.undefined()) };
        match event {
            MADE => state.makers.borrow_mut().insert(promise, &current),
            FULFILLED => {
                let maker = state.makers.borrow_mut().calls.remove(&promise);
                match maker.and_then(|maker| maker.upgrade()) {
                    Some(maker) if current.includes(&maker) => {}
                    Some(maker) if maker.is_running() => state.share_jobs_with(&current, &maker),
                    _ => state.share_jobs_with(&current, &state.unknown()),
                }
            }
            _ => {}
        }
        Ok(state.js.undefined())
    };
    guarded(context, note);
}

/// What a promise without hope is answered with.
pub(in crate::engines::js) fn never_settles() -> Error {
    Error::raised("the promise that the function returned can never be settled")
}
