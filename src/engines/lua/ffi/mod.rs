//! The fence: all of calog's own use of Lua's C API.
//!
//! mlua builds Lua and declares its C API; nothing else of it is used. Its own callbacks cannot be
//! suspended out of order, but a script must be able to suspend anywhere, and a state of its making
//! holds tables that nobody here needs.
//!
//! What every SAFETY argument here leans on:
//!
//! 1. **One thread.** A state is used only by its context's worker: `State` is not `Send`.
//! 2. **Nothing to drop under a jump.** Lua raises errors by jumping over C frames. A function here that
//!    may raise has no value with a destructor in its frame at that point, nor has any Rust caller up to
//!    the protected call; what must outlive the jump is in the fiber's control block, in the [`Call`], or
//!    already owned by a userdata. Functions are marked *raises* or *never raises*.
//! 3. **Suspending** is only resumed later, in order, on the same fiber; frames simply stay. Below a
//!    suspended call lie its own Lua thread and the C frames of this fiber, nobody else's.
//! 4. **A Lua thread lives** while the registry holds it ([`Thread`]), and its extra space holds a
//!    pointer to its `State`, copied from the main thread by Lua itself.
#![expect(unsafe_code, reason = "this is where Lua's C API is called")]

mod coroutine;
mod failure;
mod heap;
mod hook;
mod library;
mod marshal;
mod native;
mod sandbox;
mod strings;
mod tables;
mod threads;

pub(super) use failure::syntax_error;

use super::builtin::Builtin;
use crate::{
    engine::{Callee, Chain, Named, Scope, Source},
    error::{Error, ErrorKind, Frame, Result},
    fiber,
    native::{Caller, Native},
    value::{Function, Value, give_back},
};
use mlua::ffi::*;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, hash_map::Entry},
    ffi::{CString, c_int, c_void},
    path::PathBuf,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
};
use threads::{Thread, Threads};
use tokio::sync::Notify;

type L = *mut lua_State;

/// One Lua state with what belongs to it.
///
/// In this order in memory: what every call needs comes first and together, so that a call of one
/// context among thousands waits for fewer lines of the cache.
#[repr(C)]
pub(super) struct State {
    /// Owns the Lua state, and closes it first: its finalisers find the rest alive.
    heap: heap::Heap,
    /// When the table of functions by export name was begun: it holds while no export changes.
    proxies_epoch: Cell<u64>,
    /// When it is now.
    epoch: Arc<AtomicU64>,
    threads: Threads,
    scope: Rc<dyn Scope>,
    /// Three of the scope's answers: how large a value may be, whether no signal reminds a script
    /// of its slice, and who calls its natives.
    value_bytes: usize,
    polls: bool,
    /// Functions that somebody holds a handle to.
    handles: Cell<usize>,
    caller: Caller,
    modules: Modules,
    /// The folder of the script, for `require`.
    folder: RefCell<Option<PathBuf>>,
}

/// Who loads modules.
#[derive(Default)]
pub(super) struct Modules {
    /// Rung when a module is there, or its loader has ended.
    pub(super) changed: Rc<Notify>,
    /// The chains of which calls have asked for their number and not ended, and how many.
    running: RefCell<HashMap<i64, usize>>,
}

impl Modules {
    /// The number of the running call's chain, which counts as running until the call ends.
    pub(super) fn enter(&self) -> i64 {
        let number = Chain::current().map_or(0, |chain| chain.number.cast_signed());
        with_call(|call| {
            if call.loads_as.replace(Some(number)).is_none() {
                *self.running.borrow_mut().entry(number).or_default() += 1;
            }
        });
        number
    }

    pub(super) fn is_running(&self, chain: i64) -> bool {
        self.running.borrow().contains_key(&chain)
    }

    fn leave(&self, call: &Call<'_>) {
        let Some(number) = call.loads_as.get() else { return };
        if let Entry::Occupied(mut entry) = self.running.borrow_mut().entry(number) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        self.changed.notify_waiters();
    }
}

/// What a call runs.
pub(super) enum Job {
    /// The top level of a script.
    Load(Box<Loading>),
    /// A function of the registry.
    Call { key: u64, args: Vec<Value> },
}

/// A script that is to be loaded.
pub(super) struct Loading {
    source: Source,
    name: CString,
    /// Its text as an expression, if it may be one.
    expression: Option<String>,
}

impl Job {
    fn wants_result(&self) -> bool {
        match self {
            Self::Load(loading) => loading.source.wants_result,
            Self::Call { .. } => true,
        }
    }

    /// # Errors
    /// `load` if the name cannot be given to Lua.
    pub(super) fn load(source: Source) -> Result<Self> {
        // Lua's convention: `=` before a made-up name, `@` before a file's.
        let prefix = if source.name.starts_with('=') { "" } else { "@" };
        let name = CString::new(format!("{prefix}{}", source.name))
            .map_err(|_| Error::new(ErrorKind::Load, "the script's name contains a NUL"))?;
        // Somebody who wants the value may write only an expression.
        let expression = source.wants_result.then(|| format!("return {}", source.text));
        Ok(Self::Load(Box::new(Loading { source, name, expression })))
    }
}

/// A call while it runs: on its fiber's stack, known to the code on the fiber by the fiber's tag.
struct Call<'a> {
    job: &'a Job,
    /// The number of its chain, once it has asked for that to load a module.
    loads_as: Cell<Option<i64>>,
    /// The call's own Lua thread.
    thread: L,
    /// Where the error came from; filled by the message handler.
    frames: RefCell<Vec<Frame>>,
    /// The hook has raised, and no script's handler is known to have caught it.
    hook_raised: Cell<bool>,
    /// How compiling failed, if it did.
    not_loaded: Cell<c_int>,
}

/// What a function that calog gave to Lua stands for.
enum Target {
    Callee(Callee),
    Builtin(Builtin),
}

impl Target {
    fn native(&self) -> Option<&Native> {
        match self {
            Self::Callee(Callee::Native(native)) => Some(native),
            _ => None,
        }
    }
}

/// Runs `f` with the call of the running fiber.
fn with_call<R>(f: impl FnOnce(&Call<'_>) -> R) -> Option<R> {
    fiber::with_current(|control| {
        let call = control.tag.get().cast::<Call<'_>>();
        // SAFETY: the tag is null or was set by `State::run` to its own local, which lives until
        // the call has ended; `run` clears the tag before that.
        (!call.is_null()).then(|| f(unsafe { &*call }))
    })?
}

impl State {
    /// The state that a Lua thread belongs to. Never raises.
    ///
    /// # Safety
    /// `l` must be a live thread of a state that `State::open` made, while the `State` lives.
    unsafe fn of<'a>(l: L) -> &'a Self {
        // SAFETY: rule 4. `open` wrote the pointer before any script ran, and the `Rc` that it
        // points into is held by every fiber that runs scripts.
        unsafe { &**lua_getextraspace(l).cast::<*const Self>() }
    }

    pub(super) fn scope(&self) -> &dyn Scope {
        &*self.scope
    }

    pub(super) fn modules(&self) -> &Modules {
        &self.modules
    }

    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.folder.borrow().clone()
    }

    /// Runs a call to its end, on the fiber that runs now.
    ///
    /// The result goes straight to its place, and the job is only lent: a move of what was just written
    /// takes longer than most of what else is done here.
    #[inline]
    pub(super) fn run(&self, job: Job, result: &mut Result<Value>) {
        if let Job::Load(loading) = &job
            && let Some(folder) = &loading.source.folder
        {
            self.folder.replace(Some(folder.clone()));
        }
        match self.take_thread() {
            Ok(thread) => self.run_in(thread, &job, result),
            Err(error) => *result = Err(error),
        }
        if let Job::Call { args, .. } = job {
            give_back(args);
        }
    }

    fn run_in(&self, thread: Thread, job: &Job, result: &mut Result<Value>) {
        let call = Call {
            job,
            loads_as: Cell::new(None),
            thread: thread.l,
            frames: RefCell::default(),
            hook_raised: Cell::new(false),
            not_loaded: Cell::new(LUA_OK),
        };
        fiber::with_current(|control| control.tag.set((&raw const call).cast()));
        // SAFETY: the thread is ours alone, idle and alive (rule 4), so it may be published for
        // interrupts; it is taken back below before it can be collected.
        let before = fiber::running(unsafe { hook::target(thread.l) });
        self.run_on(thread.l, &call, result);
        fiber::running(before);
        let is_dying = fiber::with_current(|control| {
            control.tag.set(std::ptr::null());
            control.is_dying()
        });
        self.modules.leave(&call);
        match result {
            Ok(_) if is_dying == Some(false) => self.return_thread(thread),
            Ok(_) => self.free_thread(thread),
            Err(error) => self.went_wrong(thread, error),
        }
    }

    #[inline]
    fn run_on(&self, l: L, call: &Call<'_>, result: &mut Result<Value>) {
        // SAFETY: `l` is idle: an empty stack with room for 20 (LUA_MINSTACK), and no hook. Pushing
        // scalars, a function of the registry, or a C function without upvalues and a light userdata,
        // allocates nothing. `lua_pcall` is the protected call that all of the script runs under; it
        // is no resume, so a stray top-level yield is an error in the script. `call` outlives it.
        let status = unsafe {
            native::refresh(l);
            if self.polls {
                hook::arm_standing(l);
            }
            lua_pushcfunction(l, failure::on_error);
            match call.job {
                Job::Call { key, args } if push_scalars(l, *key, args) => {
                    lua_pcall(l, args.len() as c_int, 1, 1)
                }
                _ => {
                    lua_pushcfunction(l, base);
                    lua_pushlightuserdata(l, (&raw const *call).cast_mut().cast());
                    lua_pcall(l, 1, 1, 1)
                }
            }
        };
        // SAFETY: after the call its result, or one error value, lies above the handler at index 1;
        // reading them never raises.
        unsafe {
            match status {
                LUA_OK if !call.job.wants_result() => *result = Ok(Value::Nil),
                // The most common type on its own: what may be any goes by way of another place.
                LUA_OK if lua_isinteger(l, 2) != 0 => {
                    *result = Ok(Value::Int(lua_tointegerx(l, 2, std::ptr::null_mut())));
                }
                LUA_OK => *result = marshal::read(self, l, 2).map_err(|error| error.at("result")),
                status => *result = Err(failure::take(self, l, status, call)),
            }
        }
    }

    /// A handle for the function at `index`. Never raises.
    ///
    /// # Safety
    /// `l` must be a live thread of this state with room for two more, and `index` absolute.
    unsafe fn reference(&self, l: L, index: c_int) -> Result<Function> {
        self.scope.check_handles(self.handles.get())?;
        // SAFETY: room is the caller's promise; `take_reference` raises only inside the protected
        // call.
        let key = unsafe {
            lua_pushcfunction(l, take_reference);
            lua_pushvalue(l, index);
            let status = lua_pcall(l, 1, 1, 0);
            let key = lua_tointegerx(l, -1, std::ptr::null_mut());
            lua_settop(l, -2);
            if status != LUA_OK {
                return Err(failure::out_of_memory());
            }
            key
        };
        self.handles.set(self.handles.get() + 1);
        Ok(self.scope.function(key.cast_unsigned()))
    }

    pub(super) fn release(&self, key: u64) {
        let Ok(reference) = c_int::try_from(key) else { return };
        self.handles.set(self.handles.get().saturating_sub(1));
        // SAFETY: frees a slot that `take_reference` made, exactly once (a handle releases once);
        // it only overwrites slots that exist, so it cannot raise.
        unsafe { luaL_unref(self.heap.main(), LUA_REGISTRYINDEX, reference) };
    }

    pub(super) fn memory(&self) -> usize {
        self.heap.used()
    }

    pub(super) fn handles(&self) -> usize {
        self.handles.get()
    }
}

/// `take_reference(f) -> key`. Raises (memory).
unsafe extern "C-unwind" fn take_reference(l: L) -> c_int {
    // SAFETY: one argument is on the stack, which `luaL_ref` takes.
    unsafe {
        let reference = luaL_ref(l, LUA_REGISTRYINDEX);
        lua_pushinteger(l, reference.into());
    }
    1
}

/// Pushes function `key` of the registry and its arguments. `false`: those are more than a few, or not
/// all scalars, and nothing was pushed. Never raises.
///
/// # Safety
/// `l` must be live with room for 16 more.
unsafe fn push_scalars(l: L, key: u64, args: &[Value]) -> bool {
    if args.len() > 15 || !args.iter().all(marshal::is_scalar) {
        return false;
    }
    // SAFETY: the caller's promise.
    unsafe {
        lua_rawgeti(l, LUA_REGISTRYINDEX, key.cast_signed());
        args.iter().for_each(|arg| {
            marshal::push_scalar(l, arg);
        });
    }
    true
}

/// The bottom of every other call: `base(*const Call) -> results`. Raises what the script raises.
unsafe extern "C-unwind" fn base(l: L) -> c_int {
    // SAFETY: called by `run_on` alone, with its own `Call`, which outlives the protected call.
    // Only references into it are held here (rule 2).
    unsafe {
        let call = &*lua_touserdata(l, 1).cast_const().cast::<Call<'_>>();
        let state = State::of(l);
        lua_settop(l, 0);
        let count = match call.job {
            Job::Load(loading) => {
                let Loading { source, name, expression } = &**loading;
                let load = |text: &str| {
                    library::compile(l, text.as_ptr().cast(), text.len(), name.as_ptr())
                };
                if expression.as_ref().is_none_or(|text| load(text) != LUA_OK) {
                    // If an expression was tried, what is wrong with it is on the stack now.
                    let status = load(&source.text);
                    if status != LUA_OK {
                        // The beginning of an expression need not be that of a statement.
                        if expression.is_some() && failure::ends_too_early(marshal::bytes(l, 1)) {
                            lua_settop(l, 1);
                        }
                        call.not_loaded.set(status);
                        lua_error(l);
                    }
                    if expression.is_some() {
                        lua_remove(l, 1);
                    }
                }
                0
            }
            Job::Call { key, args } => {
                let count = c_int::try_from(args.len()).unwrap_or(c_int::MAX);
                luaL_checkstack(l, count.saturating_add(4), c"too many arguments".as_ptr());
                lua_rawgeti(l, LUA_REGISTRYINDEX, key.cast_signed());
                for (index, arg) in (1..).zip(args) {
                    native::push_argument(state, l, index, arg);
                }
                count
            }
        };
        lua_call(l, count, LUA_MULTRET);
        lua_gettop(l)
    }
}

impl Target {
    fn name(name: &str) -> Self {
        Self::Callee(Callee::Name(Named::new(name)))
    }
}

/// A raw pointer for `lua_rawsetp` keys: the address of a static is unique in the process.
fn key(of: &'static u8) -> *const c_void {
    (&raw const *of).cast()
}
