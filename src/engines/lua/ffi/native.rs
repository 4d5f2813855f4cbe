//! Functions that calog gives to Lua: natives, exports, function values, builtins, and how a name
//! finds them.

use super::{L, State, Target, failure, hook, key, marshal, with_call};
use crate::{
    engine::{Callee, Resolved},
    error::{Error, Result, contain},
    fiber::{self, Control},
    native::{Native, Step},
    value::Value,
};
use mlua::ffi::*;
use std::{
    ffi::c_int,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::atomic::Ordering::Acquire,
};

/// Registry key of the metatable that drops a [`Target`].
static TARGET: u8 = 0;
/// Registry key of the table of functions by export name.
static PROXIES: u8 = 0;

/// How a call of a native goes on.
pub(super) enum Next {
    /// The result is on the stack.
    Pushed,
    /// The outcome is in the fiber's control block.
    Settled,
    /// The operation is in the fiber's control block.
    Wait,
}

/// A function of calog, as Lua calls it; upvalue 1 is its `Target`. Raises.
///
/// This is where scripts wait. Across the suspend, nothing with a destructor is in this frame, and
/// mlua has none below it.
pub(super) unsafe extern "C-unwind" fn call(l: L) -> c_int {
    // SAFETY: Lua calls it with a live thread; only `push_function` makes such closures, with a
    // `Target` userdata as their upvalue, which stays alive while its function runs.
    unsafe {
        let target = &*lua_touserdata(l, lua_upvalueindex(1)).cast::<Target>();
        let mut blamed = None;
        match begin(l, target) {
            Next::Pushed => {
                // While a native ran at once, nothing else did on this thread, and what others do
                // meanwhile may as well be seen a moment later.
                if target.native().is_none() {
                    refresh(l);
                }
                return 1;
            }
            Next::Settled => {}
            Next::Wait => {
                if fiber::with_current(Control::wait) == Some(true) {
                    blamed = target.native();
                }
                hook::rearm(l);
            }
        }
        refresh(l);
        finish(l, blamed)
    }
}

/// As many arguments need no allocation.
const FEW: usize = 4;

/// The arguments of a call that has few. Most are scalars, so that nothing has to be dropped.
struct Few {
    slots: [MaybeUninit<Value>; FEW],
    /// How many were read.
    filled: usize,
}

impl Drop for Few {
    #[inline]
    fn drop(&mut self) {
        for slot in self.slots.iter_mut().take(self.filled) {
            // SAFETY: the first `filled` are initialised, and nobody uses them any more.
            unsafe {
                if !marshal::is_scalar(slot.assume_init_ref()) {
                    slot.assume_init_drop();
                }
            }
        }
    }
}

/// Reads the arguments and starts the call. Never raises, never unwinds.
unsafe fn begin(l: L, target: &Target) -> Next {
    // SAFETY: the caller's promise: `l` is live, and its state outlives the running call.
    let begin = || unsafe { start(State::of(l), l, target) };
    catch_unwind(AssertUnwindSafe(begin)).unwrap_or_else(|panic| {
        let error = Error::from_panic(panic);
        settle(Err(match target.native() {
            Some(native) => native.blame(error),
            None => error,
        }))
    })
}

/// The same. Never raises, but may unwind.
unsafe fn start(state: &State, l: L, target: &Target) -> Next {
    // A call that is ending may still use what is ready at once, for a while: its handlers print,
    // and give back what they hold. Nothing that waits starts any more.
    let ending = fiber::with_current(|control| control.is_dying().then(|| control.in_grace()));
    let ending = ending.unwrap_or(Some(false));
    if let Some(in_grace) = ending {
        // The script goes on: whatever the hook raised before was caught.
        with_call(|call| call.hook_raised.set(false));
        if !in_grace {
            return settle(Err(fiber::cancelled()));
        }
    }
    // SAFETY: `l` is live; the arguments are 1 to `gettop`, and there are LUA_MINSTACK slots beyond.
    let step = unsafe {
        let count = lua_gettop(l);
        let mut bytes_left = state.value_bytes;
        let mut read = |index| {
            let at = |error: Error| error.at(format_args!("args[{index}]"));
            marshal::read_within(&mut bytes_left, state, l, index, at)
        };
        if count.unsigned_abs() as usize <= FEW {
            let mut few = Few { slots: [const { MaybeUninit::uninit() }; FEW], filled: 0 };
            for (index, slot) in (1..=count).zip(&mut few.slots) {
                match read(index) {
                    Ok(value) => slot.write(value),
                    Err(error) => return settle(Err(error)),
                };
                few.filled += 1;
            }
            // SAFETY: the first `filled` are initialised; `few` outlives the slice.
            let args = slice::from_raw_parts_mut(few.slots.as_mut_ptr().cast(), few.filled);
            hand_over(state, l, target, args)
        } else {
            match (1..=count).map(read).collect::<Result<Vec<_>>>() {
                Ok(mut many) => hand_over(state, l, target, &mut many),
                Err(error) => return settle(Err(error)),
            }
        }
    };
    match step {
        None => Next::Pushed,
        Some(Step::Ready(outcome)) => settle(outcome),
        Some(Step::Wait(_)) if ending.is_some() => settle(Err(fiber::cancelled())),
        Some(Step::Wait(operation)) => {
            fiber::with_current(|control| control.begin(operation));
            Next::Wait
        }
    }
}

/// Calls the target. `None`: it has ended, and its result, a scalar, is on the stack. May unwind.
///
/// # Safety
/// `l` must be live with room for one more.
#[inline]
unsafe fn hand_over(state: &State, l: L, target: &Target, args: &mut [Value]) -> Option<Step> {
    let step = match target {
        // The most common callee, without the way through the scope.
        Target::Callee(Callee::Native(native)) => {
            let mut result = Value::Nil;
            match native.run_into(&state.caller, args, &mut result) {
                // SAFETY: the caller's promise.
                Ok(None) if unsafe { marshal::push_scalar(l, &result) } => return None,
                Ok(None) => return Some(Step::Ready(Ok(result))),
                Ok(Some(operation)) => return Some(Step::Wait(operation)),
                Err(error) => return Some(Step::Ready(Err(native.blame(error)))),
            }
        }
        Target::Callee(callee) => state.scope().call(callee, args),
        Target::Builtin(builtin) => builtin(state, args),
    };
    match step {
        // SAFETY: the caller's promise.
        Step::Ready(Ok(value)) if unsafe { marshal::push_scalar(l, &value) } => None,
        step => Some(step),
    }
}

/// Leaves an outcome for [`finish`].
pub(super) fn settle(outcome: Result<Value>) -> Next {
    fiber::with_current(|control| control.settle(outcome));
    Next::Settled
}

/// Hands the outcome in the control block to Lua: as the result, or raised, and then told to be that
/// of the native that is to be blamed. Raises.
pub(super) unsafe fn finish(l: L, blamed: Option<&Native>) -> c_int {
    // SAFETY: pushing borrows the outcome in the control block, which nobody replaces meanwhile:
    // pushing runs no script, and the finalisers that it may run are ours and do not touch it. The
    // owned forms live only inside `drop_outcome` and `push_failure`, which do not raise while they
    // hold them.
    unsafe {
        let value = fiber::with_current(Control::lend_value).unwrap_or(ptr::null());
        if value.as_ref().is_some_and(|value| marshal::push_scalar(l, value)) {
            drop_outcome();
            return 1;
        }
        if prepare_outcome(l, blamed) {
            push_outcome(l);
            drop_outcome();
            return 1;
        }
        failure::push_outcome(l);
        lua_error(l)
    }
}

/// Is the outcome a value that may be pushed? If not, it is an error now. Never raises.
unsafe fn prepare_outcome(l: L, blamed: Option<&Native>) -> bool {
    // SAFETY: `l` is live.
    let state = unsafe { State::of(l) };
    fiber::with_current(|control| {
        let outcome = control.take_outcome().map_err(|error| match blamed {
            Some(native) => native.blame(error),
            None => error,
        });
        let outcome = outcome.and_then(|value| marshal::check(state, &value).map(|()| value));
        let good = outcome.is_ok();
        control.settle(outcome);
        good
    })
    .unwrap_or(false)
}

/// Raises (memory).
unsafe fn push_outcome(l: L) {
    let value: *const Value = fiber::with_current(Control::lend_value).unwrap_or(ptr::null());
    // SAFETY: it points into the control block of the running fiber (see `finish`).
    unsafe {
        if value.is_null() {
            lua_pushnil(l);
        } else {
            marshal::push(State::of(l), l, &*value);
        }
    }
}

fn drop_outcome() {
    drop(fiber::with_current(Control::take_outcome));
}

/// Pushes an argument of a call into the script, after the checks that strictness asks for. Raises.
pub(super) unsafe fn push_argument(state: &State, l: L, index: usize, value: &Value) {
    // SAFETY: `check_argument` drops what it makes before it returns; the rest has no destructor.
    unsafe {
        if marshal::push_scalar(l, value) {
            return;
        }
        if !check_argument(state, index, value) {
            failure::push_outcome(l);
            lua_error(l);
        }
        marshal::push(state, l, value);
    }
}

/// Leaves the error, if there is one, as the outcome. Never raises.
fn check_argument(state: &State, index: usize, value: &Value) -> bool {
    match marshal::check(state, value) {
        Ok(()) => true,
        Err(error) => {
            settle(Err(error.at(format_args!("args[{index}]"))));
            false
        }
    }
}

/// Pushes a function for the target that `make` returns. Raises (memory).
///
/// `make` runs when there is a userdata to hold the target, so nothing is lost by a jump.
pub(super) unsafe fn push_function(l: L, make: impl FnOnce() -> Target) {
    // SAFETY: the userdata has the size of a `Target` and Lua's maximal alignment, 16, which is
    // enough (asserted). Between its creation and the metatable nothing raises, so the target is
    // dropped by the metatable's `__gc` in every case.
    unsafe {
        const { assert!(align_of::<Target>() <= 16) };
        luaL_checkstack(l, 3, ptr::null());
        let slot = lua_newuserdatauv(l, size_of::<Target>(), 0).cast::<Target>();
        ptr::write(slot, make());
        lua_rawgetp(l, LUA_REGISTRYINDEX, key(&TARGET));
        lua_setmetatable(l, -2);
        lua_pushcclosure(l, call, 1);
    }
}

/// The target of the function at `index`, if calog made it. Never raises.
///
/// # Safety
/// `l` must be live with room for one more. The target lives while the function stays on the stack.
pub(super) unsafe fn target_of<'a>(l: L, index: c_int) -> Option<&'a Target> {
    // SAFETY: only `push_function` makes closures of `call`, with a target in the first upvalue.
    unsafe {
        let function = lua_tocfunction(l, index)?;
        if !ptr::fn_addr_eq(function, call as lua_CFunction) {
            return None;
        }
        if lua_getupvalue(l, index, 1).is_null() {
            return None;
        }
        let target = lua_touserdata(l, -1).cast::<Target>();
        lua_settop(l, -2);
        target.as_ref()
    }
}

/// `__gc` of a target.
unsafe extern "C-unwind" fn drop_target(l: L) -> c_int {
    // SAFETY: Lua finalises a userdata once; scripts cannot reach it or its metatable. Dropping may
    // release a function handle, which only posts a message.
    unsafe {
        let target = lua_touserdata(l, 1).cast::<Target>();
        contain(|| ptr::drop_in_place(target));
    }
    0
}

/// What a name turned out to be.
enum Found {
    Nothing,
    /// The value is the outcome in the control block.
    Data,
    Native,
    Export,
    Namespace,
    /// A namespace of the host, which cannot change.
    HostNamespace,
}

/// `__index` of the table of proxies, which is that of the global table: so a name that was found
/// before takes no call. Raises.
unsafe extern "C-unwind" fn lookup_global(l: L) -> c_int {
    // SAFETY: the table that was asked first is the global one, which takes the place of its proxy.
    unsafe {
        lua_settop(l, 2);
        lua_pushglobaltable(l);
        lua_replace(l, 1);
        if lua_type(l, 2) != LUA_TSTRING {
            return 0;
        }
        lua_pushvalue(l, 2);
        look_up(l)
    }
}

/// Exports may have changed: what the proxies stood for is forgotten then. Never raises.
///
/// It is called where a script goes on after anything else could have run on its thread.
pub(super) unsafe fn refresh(l: L) {
    // SAFETY: `l` is live and has room for a few more: natives have LUA_MINSTACK slots beyond their
    // arguments, and an idle thread is empty. Fields that exist may be set to nil while the table
    // is traversed, which allocates nothing.
    unsafe {
        let state = State::of(l);
        let epoch = state.epoch.load(Acquire);
        if state.proxies_epoch.replace(epoch) == epoch {
            return;
        }
        lua_rawgetp(l, LUA_REGISTRYINDEX, key(&PROXIES));
        lua_pushnil(l);
        while lua_next(l, -2) != 0 {
            lua_settop(l, -2);
            lua_pushvalue(l, -1);
            lua_pushnil(l);
            lua_rawset(l, -4);
        }
        lua_settop(l, -2);
    }
}

/// `__index` of namespaces: 1 is the table, 2 the key, and upvalue 1 the prefix (`net.`). Raises.
unsafe extern "C-unwind" fn lookup(l: L) -> c_int {
    // SAFETY: set by `push_namespace` alone, so 1 is the table, 2 the key, and the upvalue a string.
    unsafe {
        lua_settop(l, 2);
        if lua_type(l, 2) != LUA_TSTRING {
            return 0;
        }
        lua_pushvalue(l, lua_upvalueindex(1));
        lua_pushvalue(l, 2);
        lua_concat(l, 2);
        look_up(l)
    }
}

/// Finds a name: 1 is the table that was asked, 2 the key there, 3 the whole name. Raises.
///
/// What is the host's is kept in the table that asked (it cannot change). What is of exports is
/// kept in the table of proxies, which is emptied when any export changes.
unsafe fn look_up(l: L) -> c_int {
    // SAFETY: its callers see to the three. `find` holds nothing when it returns.
    unsafe {
        refresh(l);
        lua_rawgetp(l, LUA_REGISTRYINDEX, key(&PROXIES));
        lua_pushvalue(l, 3);
        if lua_rawget(l, 4) != LUA_TNIL {
            return 1;
        }
        lua_settop(l, 4);
        match find(l) {
            Found::Nothing => return 0,
            Found::Data => return finish(l, None),
            Found::Export => {
                push_function(l, || named(l, 3));
                lua_pushvalue(l, 3);
                lua_pushvalue(l, -2);
                lua_rawset(l, 4);
                return 1;
            }
            Found::Namespace => {
                push_namespace(l);
                lua_pushvalue(l, 3);
                lua_pushvalue(l, -2);
                lua_rawset(l, 4);
                return 1;
            }
            Found::Native => push_function(l, || named(l, 3)),
            Found::HostNamespace => push_namespace(l),
        }
        lua_pushvalue(l, 2);
        lua_pushvalue(l, -2);
        lua_rawset(l, 1);
        1
    }
}

/// Looks up the full name, which is at index 3. Never raises.
unsafe fn find(l: L) -> Found {
    // SAFETY: `l` is live and index 3 is a string.
    let (state, name) = unsafe { (State::of(l), marshal::bytes(l, 3)) };
    let Ok(name) = std::str::from_utf8(name) else { return Found::Nothing };
    match state.scope().resolve(name) {
        None => Found::Nothing,
        Some(Resolved::Native(_)) => Found::Native,
        Some(Resolved::Function(_)) => Found::Export,
        Some(Resolved::Namespace { fixed: true }) => Found::HostNamespace,
        Some(Resolved::Namespace { fixed: false }) => Found::Namespace,
        Some(Resolved::Data(value)) => {
            settle(Ok(value));
            Found::Data
        }
    }
}

/// The target for the name at `index`: a native itself, else whatever has the name at the call.
/// Never raises.
unsafe fn named(l: L, index: c_int) -> Target {
    // SAFETY: `l` is live and `index` is a string, which `find` found to be UTF-8.
    let (state, name) = unsafe { (State::of(l), marshal::bytes(l, index)) };
    let name = String::from_utf8_lossy(name);
    match state.scope().resolve(&name) {
        Some(Resolved::Native(native)) => Target::Callee(Callee::Native(native)),
        _ => Target::name(&name),
    }
}

/// Pushes a table whose members are looked up under the name at index 3. Raises (memory).
unsafe fn push_namespace(l: L) {
    // SAFETY: `l` is live and 3 is a string.
    unsafe {
        lua_createtable(l, 0, 0);
        lua_createtable(l, 0, 2);
        lua_pushvalue(l, 3);
        lua_pushstring(l, c".".as_ptr());
        lua_concat(l, 2);
        lua_pushcclosure(l, lookup, 1);
        lua_setfield(l, -2, c"__index".as_ptr());
        lua_pushboolean(l, 0);
        lua_setfield(l, -2, c"__metatable".as_ptr());
        lua_setmetatable(l, -2);
    }
}

/// Sets up the metatables and the lookup of globals. Raises (memory).
pub(super) unsafe fn install(l: L) {
    // SAFETY: run once by `open`, protected, on the main thread.
    unsafe {
        lua_createtable(l, 0, 2);
        lua_pushcfunction(l, drop_target);
        lua_setfield(l, -2, c"__gc".as_ptr());
        lua_pushboolean(l, 0);
        lua_setfield(l, -2, c"__metatable".as_ptr());
        lua_rawsetp(l, LUA_REGISTRYINDEX, key(&TARGET));
        // The proxies, and who finds those that are not there yet.
        lua_createtable(l, 0, 0);
        lua_createtable(l, 0, 1);
        lua_pushcfunction(l, lookup_global);
        lua_setfield(l, -2, c"__index".as_ptr());
        lua_setmetatable(l, -2);

        // Globals: the script's own come first, then the proxies.
        lua_pushglobaltable(l);
        lua_createtable(l, 0, 2);
        lua_pushvalue(l, -3);
        lua_setfield(l, -2, c"__index".as_ptr());
        lua_pushboolean(l, 0);
        lua_setfield(l, -2, c"__metatable".as_ptr());
        lua_setmetatable(l, -2);
        lua_settop(l, -2);
        lua_rawsetp(l, LUA_REGISTRYINDEX, key(&PROXIES));
    }
}
