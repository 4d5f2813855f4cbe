//! `coroutine.resume`, `wrap`, `close` and `running`, and `xpcall`.
//!
//! They behave as the reference manual says, and tests compare them with the stock functions. They exist
//! because an interrupt must know which Lua thread runs: each switch publishes it. And because the handler of
//! `xpcall` runs with hooks off, where a looping one could never be ended.

use super::{L, hook, with_call};
use crate::fiber;
use mlua::ffi::*;
use std::{
    ffi::{CStr, c_char, c_int},
    mem, ptr,
};

unsafe extern "C-unwind" {
    /// lauxlib.h of Lua 5.4, which mlua's bindings leave out.
    fn luaL_typeerror(l: L, argument: c_int, expected: *const c_char) -> c_int;
}

/// Runs `f` while `co` is the running Lua thread. Never raises if `f` does not.
unsafe fn switch(l: L, co: L, f: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: `co` is on the stack of `l` or in an upvalue of the running function, so it lives while it
    // is published.
    unsafe {
        let before = fiber::running(hook::target(co));
        hook::arm_fallback(co);
        hook::rearm(co);
        let result = f();
        fiber::running(before);
        hook::rearm(l);
        result
    }
}

/// Resumes `co` with the top `count` values of `l`. The number of results, which are then on top, or -1
/// with the error on top. Raises (memory).
unsafe fn resume(l: L, co: L, count: c_int) -> c_int {
    // SAFETY: `lua_resume` is protected by itself; moving values checks for room first.
    unsafe {
        if lua_checkstack(co, count) == 0 {
            lua_pushstring(l, c"too many arguments to resume".as_ptr());
            return -1;
        }
        lua_xmove(l, co, count);
        let mut results = 0;
        let status = switch(l, co, || lua_resume(co, l, count, &raw mut results));
        if status != LUA_OK && status != LUA_YIELD {
            mark_end(co);
            lua_xmove(co, l, 1);
            return -1;
        }
        if lua_checkstack(l, results + 1) == 0 {
            lua_settop(co, -results - 1);
            lua_pushstring(l, c"too many results to resume".as_ptr());
            return -1;
        }
        lua_xmove(co, l, results);
        results
    }
}

/// Notes how a coroutine ended. Never raises.
///
/// An error raised by the hook leaves the coroutine's hooks off for good (only a protected call inside it
/// would restore them), so handlers that ran on it now could never be interrupted. The hook field of a
/// coroutine that has ended has no other use: a hook means that it was killed.
unsafe fn mark_end(co: L) {
    // SAFETY: `co` is alive (see `switch`).
    unsafe {
        let hook: Option<lua_Hook> = if fiber::dying() { Some(hook::hook) } else { None };
        lua_sethook(co, hook, if hook.is_some() { LUA_MASKCOUNT } else { 0 }, 1);
    }
}

/// May the to-be-closed variables of `co` be closed, or was it killed? Never raises.
unsafe fn may_close(co: L) -> bool {
    // SAFETY: `co` is alive.
    unsafe {
        let status = lua_status(co);
        status == LUA_OK || status == LUA_YIELD || lua_gethook(co).is_none()
    }
}

/// The coroutine that is argument 1. Raises if it is none.
unsafe fn thread_argument(l: L) -> L {
    // SAFETY: `l` is live. The check is `luaL_argexpected`'s, which the stock functions use.
    unsafe {
        let co = lua_tothread(l, 1);
        if co.is_null() {
            luaL_typeerror(l, 1, c"thread".as_ptr());
        }
        co
    }
}

unsafe extern "C-unwind" fn co_resume(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        let co = thread_argument(l);
        let results = resume(l, co, lua_gettop(l) - 1);
        if results < 0 {
            lua_pushboolean(l, 0);
            lua_insert(l, -2);
            return 2;
        }
        lua_pushboolean(l, 1);
        lua_insert(l, -(results + 1));
        results + 1
    }
}

/// What `coroutine.wrap` returns; upvalue 1 is the coroutine.
unsafe extern "C-unwind" fn wrapped(l: L) -> c_int {
    // SAFETY: only `co_wrap` makes closures of it.
    unsafe {
        let co = lua_tothread(l, lua_upvalueindex(1));
        let results = resume(l, co, lua_gettop(l));
        if results >= 0 {
            return results;
        }
        let mut status = lua_status(co);
        if status != LUA_OK && status != LUA_YIELD && may_close(co) {
            // Its to-be-closed variables are closed now, and may replace the error.
            status = switch(l, co, || lua_closethread(co, l));
            lua_xmove(co, l, 1);
        }
        if status != LUA_ERRMEM && lua_type(l, -1) == LUA_TSTRING {
            // As in the stock function: a text gets the place of the call.
            luaL_where(l, 1);
            lua_insert(l, -2);
            lua_concat(l, 2);
        }
        lua_error(l)
    }
}

unsafe extern "C-unwind" fn co_wrap(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        luaL_checktype(l, 1, LUA_TFUNCTION);
        let co = lua_newthread(l);
        // A new thread copies its maker's hook, which may be armed.
        lua_sethook(co, None, 0, 0);
        lua_pushvalue(l, 1);
        lua_xmove(l, co, 1);
        lua_pushcclosure(l, wrapped, 1);
    }
    1
}

unsafe extern "C-unwind" fn co_close(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, whose own errors are wanted for a coroutine
    // that runs or has resumed another.
    unsafe {
        let co = thread_argument(l);
        let mut debug: lua_Debug = mem::zeroed();
        let is_normal = lua_status(co) == LUA_OK && lua_getstack(co, 0, &raw mut debug) != 0;
        if co == l || is_normal {
            return stock(l);
        }
        if !may_close(co) {
            lua_pushboolean(l, 0);
            lua_pushstring(l, c"cancelled".as_ptr());
            return 2;
        }
        let status = switch(l, co, || lua_closethread(co, l));
        lua_pushboolean(l, (status == LUA_OK).into());
        if status == LUA_OK {
            return 1;
        }
        lua_xmove(co, l, 1);
        2
    }
}

unsafe extern "C-unwind" fn co_running(l: L) -> c_int {
    // SAFETY: called by Lua.
    unsafe {
        lua_pushthread(l);
        // The call's own Lua thread is what a script knows as the main one.
        let is_main = with_call(|call| ptr::eq(call.thread, l)).unwrap_or(false);
        lua_pushboolean(l, is_main.into());
    }
    2
}

unsafe extern "C-unwind" fn xpcall(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function.
    unsafe {
        if lua_type(l, 2) == LUA_TFUNCTION {
            lua_pushvalue(l, 2);
            lua_pushcclosure(l, handler, 1);
            lua_replace(l, 2);
        }
        stock(l)
    }
}

/// The script's message handler, which is skipped once the call is ending.
unsafe extern "C-unwind" fn handler(l: L) -> c_int {
    // SAFETY: only `xpcall` makes closures of it; upvalue 1 is the script's handler.
    unsafe {
        if fiber::dying() {
            return 1;
        }
        lua_pushvalue(l, lua_upvalueindex(1));
        lua_insert(l, 1);
        lua_call(l, lua_gettop(l) - 1, 1);
    }
    1
}

/// `setmetatable` without finalisers: hooks are off in `__gc`, so a looping one could never be ended.
unsafe extern "C-unwind" fn setmetatable(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function.
    unsafe {
        if lua_type(l, 2) == LUA_TTABLE {
            lua_pushstring(l, c"__gc".as_ptr());
            if lua_rawget(l, 2) != LUA_TNIL {
                return luaL_error(l, c"__gc is not allowed: use __close".as_ptr());
            }
            lua_settop(l, -2);
        }
        stock(l)
    }
}

/// The most elements that one call of `table.move`, `insert` or `remove` may shift. They loop in C, where no
/// interrupt reaches; with a `__len` or large indexes they would do so for ever.
const MOST_SHIFTED: lua_Integer = 1 << 24;

/// Raises if elements `first` to `last` are too many to shift.
unsafe fn check_shift(l: L, first: lua_Integer, last: lua_Integer) {
    // SAFETY: `l` is live; nothing here has a destructor.
    unsafe {
        if last.saturating_sub(first) > MOST_SHIFTED {
            luaL_error(l, c"too many elements to move".as_ptr());
        }
    }
}

/// The length of argument 1, as the library sees it. Raises.
unsafe fn length(l: L) -> lua_Integer {
    // SAFETY: `l` is live.
    unsafe {
        lua_len(l, 1);
        let length = lua_tointegerx(l, -1, ptr::null_mut());
        lua_settop(l, -2);
        length
    }
}

unsafe extern "C-unwind" fn table_move(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types.
    unsafe {
        let number = |index| lua_tointegerx(l, index, ptr::null_mut());
        check_shift(l, number(2), number(3));
        stock(l)
    }
}

/// `table.insert` and `table.remove`: they shift only if a position is given as argument 2 and is followed by
/// more.
unsafe extern "C-unwind" fn table_shift(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types.
    unsafe {
        let count = lua_gettop(l);
        // `insert(t, value)` has two arguments as well, but the stock function then only appends.
        if count >= 2 && lua_type(l, 1) == LUA_TTABLE && lua_isinteger(l, 2) != 0 {
            check_shift(l, lua_tointegerx(l, 2, ptr::null_mut()), length(l));
        }
        stock(l)
    }
}

/// Calls the stock function, upvalue 1, on the same frame. Raises.
unsafe fn stock(l: L) -> c_int {
    // SAFETY: `replace` put a C function there. It sees the same arguments and no upvalues of its own,
    // which these stock functions do not have.
    unsafe {
        match lua_tocfunction(l, lua_upvalueindex(1)) {
            Some(stock) => stock(l),
            None => 0,
        }
    }
}

/// Puts `function`, over the stock one, into field `name` of the table on top. Raises (memory).
unsafe fn replace(l: L, name: &CStr, function: lua_CFunction) {
    // SAFETY: run by `install`, protected.
    unsafe {
        lua_getfield(l, -1, name.as_ptr());
        lua_pushcclosure(l, function, 1);
        lua_setfield(l, -2, name.as_ptr());
    }
}

/// Replaces the stock functions. Raises (memory).
pub(super) unsafe fn install(l: L) {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        lua_pushglobaltable(l);
        replace(l, c"xpcall", xpcall);
        replace(l, c"setmetatable", setmetatable);
        lua_getfield(l, -1, c"coroutine".as_ptr());
        replace(l, c"resume", co_resume);
        replace(l, c"wrap", co_wrap);
        replace(l, c"close", co_close);
        replace(l, c"running", co_running);
        lua_settop(l, -2);
        lua_getfield(l, -1, c"table".as_ptr());
        replace(l, c"move", table_move);
        replace(l, c"insert", table_shift);
        replace(l, c"remove", table_shift);
        lua_settop(l, -3);
    }
}
