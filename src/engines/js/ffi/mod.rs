//! The fence: all of calog's own use of QuickJS's C API.
//!
//! What every SAFETY argument here leans on:
//!
//! 1. **One thread.** A runtime is used only by its context's worker: `State` is not `Send`.
//! 2. **No jumps.** QuickJS returns errors as values, so destructors run. Every callback catches panics
//!    (`guarded`), which must not unwind through C.
//! 3. **Suspending** leaves this fiber's frames in the runtime's list of frames. Whatever runs next in
//!    the runtime stands on them and has ended before they go on: the [`Nest`] sees to that. After each
//!    suspend the runtime is told where the stack ends ([`State::repair_stack`]).
//! 4. **References** are held only by the tables of `State`, by frames of fibers and by JavaScript
//!    itself. All are gone before the runtime is freed (`Quick` is the last field of `State`); if a
//!    fiber could not be ended, the runtime is leaked.
#![expect(unsafe_code, reason = "this is where QuickJS's C API is called")]

mod entries;
mod failure;
mod handles;
mod interrupt;
mod jobs;
mod library;
mod lookup;
mod marshal;
mod memory;
mod module;
mod native;
mod promise;
mod push;
mod run;
mod timer;
mod value;

pub(super) use native::Builtin;
pub(super) use promise::never_settles;
pub(super) use run::{Job, Ran};

use super::owner::Owner;
use crate::{
    chain::Chain,
    engine::Scope,
    error::{Error, ErrorKind, Result},
    fiber::{self, Nest},
    native::Caller,
    value::Function,
};
use interrupt::Counter;
use library::Library;
use memory::Meter;
use rquickjs_sys::*;
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    rc::{Rc, Weak},
};
use tokio::sync::Notify;
use value::{Atom, Js, Val};

/// The part of a fiber's stack that is left to natives and to values on their way in and out, which
/// have no check of their own; scripts recurse in the rest.
const STACK_MARGIN: usize = fiber::STACK_BYTES / 4;

/// How much stack code may use that runs on no fiber: only what opens the context.
const OPENING_STACK: usize = 256 << 10;

/// Frames that one context adds to a trace at the most: the innermost ones.
const MOST_FRAMES: u32 = 32;

/// One runtime of QuickJS with what belongs to it.
pub(super) struct State {
    scope: Rc<dyn Scope>,
    /// Two of the scope's answers that every call of a native needs.
    caller: Caller,
    value_bytes: usize,
    me: Weak<Self>,
    nest: Nest,
    /// The folder of the script, for `import`.
    folder: RefCell<Option<PathBuf>>,
    /// Functions that somebody holds a handle to.
    handles: RefCell<handles::Handles>,
    /// What settles the promises of `.async` calls that are under way.
    promises: RefCell<promise::Numbered<u64, promise::Settlers>>,
    timers: RefCell<timer::Timers>,
    timers_changed: Notify,
    /// A task fires the timers.
    timing: Cell<bool>,
    /// What the arguments of `.async` calls under way take outside of the interpreter.
    pending_bytes: Cell<usize>,
    /// Promises that were rejected and that nobody handles yet.
    rejected: RefCell<Vec<promise::Rejected>>,
    /// Numbers handles, promises and timers.
    next: Cell<u64>,
    exports: lookup::Exports,
    jobs: RefCell<jobs::Jobs>,
    collections: Cell<jobs::Collections>,
    /// Whose call made a promise that is not fulfilled yet, by its address.
    makers: RefCell<promise::Makers>,
    /// Of a call that has ended, for the next one.
    spare: Cell<Option<Rc<Owner>>>,
    /// Stands for calls that are not known any more.
    unknown: Rc<Owner>,
    /// Calls that were cut off before their promises were settled.
    lost: Cell<usize>,
    /// Calls that wait in the middle of running a module's top level.
    loading: Cell<usize>,
    /// A task that runs promise jobs is under way, and does not wait inside of one.
    pumping: Cell<bool>,
    /// The bottom of a call that stands on others.
    base: Val,
    flatteners: entries::Flatteners,
    keys: RefCell<entries::Keys>,
    /// Room for a [`marshal`] reader's ancestors.
    ancestors: Cell<Vec<usize>>,
    /// What reads the trace of an error.
    trace_of: Val,
    /// The property that ties a JavaScript error to the error of calog that it stands for.
    error_key: Atom,
    classes: Classes,
    library: Library,
    counter: Counter,
    js: Js,
    quick: Quick,
}

/// The numbers of classes in one runtime: QuickJS's most common ones, and calog's own.
#[derive(Clone, Copy)]
struct Classes {
    object: JSClassID,
    array: JSClassID,
    /// Functions of calog.
    native: JSClassID,
    /// What ties an error to calog's.
    error: JSClassID,
    /// Objects whose members are natives and exports.
    names: JSClassID,
}

/// Owns the runtime and its one context.
struct Quick {
    context: *mut JSContext,
    runtime: *mut JSRuntime,
    /// Something of it may still be in use for ever.
    leaked: Cell<bool>,
    meter: Rc<Meter>,
}

impl Drop for Quick {
    fn drop(&mut self) {
        if self.leaked.get() {
            // One count too many keeps it for ever.
            let _ = Rc::into_raw(self.meter.clone());
            return;
        }
        // SAFETY: rule 4: nothing refers to either any more. Finalisers only drop Rust values.
        unsafe {
            JS_FreeContext(self.context);
            JS_FreeRuntime(self.runtime);
        }
    }
}

/// A call while it runs: on its fiber's stack, known to the code on the fiber by the fiber's tag.
struct Call<'a> {
    state: &'a State,
    owner: Rc<Owner>,
    /// It runs promise jobs.
    is_pump: Cell<bool>,
    /// It is in the middle of an import, or of a script's top level.
    loads: Cell<bool>,
    /// The script was ended beyond catching, since it holds too much memory. QuickJS does not always
    /// tell: a module that is ended keeps its promise pending.
    ended: Cell<bool>,
    /// What `base` runs, once.
    body: Cell<Option<*mut dyn FnMut()>>,
}

/// Runs `f` with the call of the running fiber.
fn with_call<R>(f: impl FnOnce(&Call<'_>) -> R) -> Option<R> {
    fiber::with_current(|control| {
        let call = control.tag.get().cast::<Call<'_>>();
        // SAFETY: the tag is null or was set by `State::run` to its own local, which lives until
        // the call has ended; it clears the tag before that.
        (!call.is_null()).then(|| f(unsafe { &*call }))
    })?
}

pub(super) fn out_of_memory() -> Error {
    Error::new(ErrorKind::Memory, "the context's memory limit is reached")
}

impl State {
    pub(super) fn open(scope: Rc<dyn Scope>) -> Result<Rc<Self>> {
        let meter = Meter::new(scope.limits().memory_bytes);
        // SAFETY: both constructors return null if there is no memory. Nobody else has the runtime
        // yet, and `Quick` frees it before the meter.
        let quick = unsafe {
            let runtime = meter.runtime();
            if runtime.is_null() {
                return Err(out_of_memory());
            }
            JS_SetCanBlock(runtime, false);
            let context = JS_NewContext(runtime);
            if context.is_null() {
                JS_FreeRuntime(runtime);
                return Err(out_of_memory());
            }
            Quick { context, runtime, leaked: Cell::new(false), meter }
        };
        let js = Js(quick.context);
        repair_stack(quick.runtime);
        let classes = native::register(js).map_err(|_| out_of_memory())?;
        let parts = || -> value::Outcome<_> {
            let base = run::base(js)?;
            let trace_of = failure::trace_getter(js)?;
            let error_key = failure::key(js)?;
            let library = Library::install(js, scope.limits().memory_bytes)?;
            Ok((base, trace_of, error_key, Counter::find(js)?, library))
        };
        let (base, trace_of, error_key, counter, library) = parts().map_err(|_| {
            drop(js.catch());
            out_of_memory()
        })?;
        let unknown = Rc::new(Owner::nobody(scope.root()));
        let state = Rc::new_cyclic(|me| Self {
            caller: scope.caller().clone(),
            value_bytes: scope.limits().value_bytes,
            scope,
            me: me.clone(),
            nest: Nest::default(),
            folder: RefCell::default(),
            handles: RefCell::default(),
            promises: RefCell::default(),
            timers: RefCell::default(),
            timers_changed: Notify::new(),
            timing: Cell::new(false),
            pending_bytes: Cell::new(0),
            rejected: RefCell::default(),
            next: Cell::new(0),
            exports: lookup::Exports::default(),
            jobs: RefCell::default(),
            collections: Cell::default(),
            makers: RefCell::default(),
            spare: Cell::default(),
            unknown,
            lost: Cell::new(0),
            loading: Cell::new(0),
            pumping: Cell::new(false),
            base,
            flatteners: entries::Flatteners::default(),
            keys: RefCell::default(),
            ancestors: Cell::default(),
            trace_of,
            error_key,
            classes,
            library,
            counter,
            js,
            quick,
        });
        // SAFETY: the pointer is to the state in its `Rc`, which outlives every script, since
        // `Quick` is dropped with it.
        unsafe { JS_SetContextOpaque(js.0, Rc::as_ptr(&state).cast_mut().cast()) };
        state.install().map_err(|thrown| failure::take(&state, thrown))?;
        state.quick.meter.enforce(true);
        if state.quick.meter.is_over() {
            return Err(out_of_memory());
        }
        Ok(state)
    }

    /// Sets up what the state needs to be there for.
    fn install(&self) -> value::Outcome<()> {
        let runtime = self.js.runtime();
        self.counter.watch(runtime);
        // SAFETY: it is the meter's own runtime.
        unsafe { self.quick.meter.end_runaways(runtime, self.counter) };
        // SAFETY: the callbacks find the state through the context; they live for the program.
        unsafe {
            JS_SetHostPromiseRejectionTracker(
                runtime,
                Some(promise::on_rejection),
                std::ptr::null_mut(),
            );
            JS_SetPromiseHook(runtime, Some(promise::on_promise), std::ptr::null_mut());
        }
        module::install(self.js);
        lookup::install(self)
    }

    /// The state of a context.
    ///
    /// # Safety
    /// The context must be one that `open` made, while its `State` lives.
    unsafe fn of<'a>(context: *mut JSContext) -> &'a Self {
        // SAFETY: `open` set the pointer before any script ran; the `Rc` that it points into is
        // held by every fiber that runs scripts.
        unsafe { &*JS_GetContextOpaque(context).cast_const().cast::<Self>() }
    }

    pub(super) fn scope(&self) -> &dyn Scope {
        &*self.scope
    }

    /// An owner of the state, for what outlives the running code.
    pub(super) fn keep(&self) -> Option<Rc<Self>> {
        self.me.upgrade()
    }

    pub(super) fn nest(&self) -> &Nest {
        &self.nest
    }

    /// The life of a call that begins.
    pub(super) fn begin_owner(&self, chain: Chain) -> Rc<Owner> {
        match self.spare.take() {
            Some(spare) => spare.again(chain),
            None => Rc::new(Owner::new(chain)),
        }
    }

    /// A call is over, and all that it waited for.
    pub(super) fn end_owner(&self, owner: &Rc<Owner>) {
        self.spare.set(Some(owner.clone()));
    }

    /// The call that runs now.
    pub(super) fn owner(&self) -> Option<Rc<Owner>> {
        with_call(|call| call.owner.clone())
    }

    fn number(&self) -> u64 {
        let number = self.next.get() + 1;
        self.next.set(number);
        number
    }

    /// A handle for a function of this context.
    fn reference(&self, function: Val) -> Result<Function> {
        self.scope().check_handles(self.handles())?;
        let key = self.handles.borrow_mut().insert(function);
        Ok(self.scope().function(key))
    }

    pub(super) fn release(&self, key: u64) {
        let released = self.handles.borrow_mut().remove(key);
        // Not under the borrow: what it frees may run finalisers.
        drop(released);
    }

    pub(super) fn handles(&self) -> usize {
        self.handles.borrow().len()
    }

    pub(super) fn memory(&self) -> usize {
        self.quick.meter.used()
    }

    /// Tells QuickJS where the running fiber's stack ends: at the begin of a fiber, and after
    /// whatever may have suspended it, since others ran meanwhile, or the call is to end now.
    fn repair_stack(&self) {
        repair_stack(self.js.runtime());
        self.counter.hurry_if_dying();
    }
}

fn repair_stack(runtime: *mut JSRuntime) {
    let here = 0_u8;
    let here = std::ptr::from_ref(std::hint::black_box(&here)).addr();
    let room = match fiber::with_current(|control| control.stack_limit()) {
        Some(limit) => here.saturating_sub(limit + STACK_MARGIN).max(1),
        None => OPENING_STACK,
    };
    // SAFETY: sets two numbers of the runtime, which lives.
    unsafe {
        JS_UpdateStackTop(runtime);
        JS_SetMaxStackSize(runtime, room as _);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // A fiber that could not be ended has its frames in the runtime for ever.
        self.quick.leaked.set(self.nest.depth() > 0);
    }
}

/// Runs a callback of QuickJS: a panic is thrown as an error, and a failure is too.
fn guarded(
    context: *mut JSContext,
    callback: impl FnOnce(&State) -> value::Outcome<Val>,
) -> JSValue {
    // SAFETY: QuickJS calls back only with the context that `open` made, from scripts.
    let state = unsafe { State::of(context) };
    let result = catch_unwind(AssertUnwindSafe(|| callback(state)))
        .unwrap_or_else(|panic| Err(failure::throw(state, Error::from_panic(panic))));
    result.map_or(JS_EXCEPTION, Val::into_raw)
}
