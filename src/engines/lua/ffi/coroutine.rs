//! `coroutine.resume`, `wrap`, `close` and `running`.
//!
//! They behave as the reference manual says, and tests compare them with the stock functions. They
//! exist because an interrupt must know which Lua thread runs: each switch publishes it.

use super::{
    L, hook,
    library::{luaL_typeerror, replace, stock},
    with_call,
};
use crate::fiber;
use mlua::ffi::*;
use std::{ffi::c_int, mem, ptr};

/// Runs `f` while `co` is the running Lua thread. Never raises if `f` does not.
unsafe fn switch(l: L, co: L, f: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: `co` is on the stack of `l` or in an upvalue of the running function, so it lives
    // while it is published.
    unsafe {
        let before = fiber::running(hook::target(co));
        hook::arm_standing(co);
        hook::catch_up(co);
        let result = f();
        fiber::running(before);
        hook::catch_up(l);
        result
    }
}

/// Resumes `co` with the top `count` values of `l`. The number of results, which are then on top,
/// or -1 with the error on top. Raises (memory).
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
/// An error raised by the hook leaves the coroutine's hooks off for good (only a protected call
/// inside it would restore them), so handlers that ran on it now could never be interrupted. The
/// hook field of a coroutine that has ended has no other use: a hook means that it was killed.
unsafe fn mark_end(co: L) {
    // SAFETY: `co` is alive (see `switch`).
    unsafe {
        let killed = with_call(|call| call.hook_raised.replace(false)).unwrap_or(false);
        let hook: Option<lua_Hook> = if killed { Some(hook::hook) } else { None };
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
    // SAFETY: called by Lua; upvalue 1 is the stock function, whose own errors are wanted for a
    // coroutine that runs or has resumed another.
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

/// Replaces the stock functions. Raises (memory).
pub(super) unsafe fn install(l: L) {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        lua_pushglobaltable(l);
        lua_getfield(l, -1, c"coroutine".as_ptr());
        replace(l, c"resume", co_resume);
        replace(l, c"wrap", co_wrap);
        replace(l, c"close", co_close);
        replace(l, c"running", co_running);
        lua_settop(l, -3);
    }
}
