//! Library functions that stand in front of the stock ones, where those could hold a worker for
//! ever: what loops in C, or runs with hooks off, is out of the reach of every interrupt.

use super::L;
use crate::fiber;
use mlua::ffi::*;
use std::{
    ffi::{CStr, c_int},
    ptr,
};

/// `xpcall`, whose handler runs with hooks off after an error that a hook raised.
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

/// `setmetatable` without finalisers: hooks are off in `__gc`, so a looping one could never be
/// ended.
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

/// The most elements that one call of a table function may move. They loop in C, where no interrupt
/// reaches; with large indexes they would do so for ever.
const MOST_MOVED: lua_Integer = 1 << 24;

/// Raises if elements `first` to `last` are too many to move.
unsafe fn check_move(l: L, first: lua_Integer, last: lua_Integer) {
    // SAFETY: `l` is live; nothing here has a destructor.
    unsafe {
        if last.saturating_sub(first) > MOST_MOVED {
            luaL_error(l, c"too many elements to move".as_ptr());
        }
    }
}

unsafe extern "C-unwind" fn table_move(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types.
    unsafe {
        let number = |index| lua_tointegerx(l, index, ptr::null_mut());
        check_move(l, number(2), number(3));
        stock(l)
    }
}

/// `table.insert`, `remove` and `sort` loop over the length, which a `__len` or a few large indexes
/// can make up. To append, as `insert(t, value)` and `remove(t)` do at the end, takes no loop.
unsafe extern "C-unwind" fn table_loop(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types, and upvalue 2
    // is from how many arguments on it loops.
    unsafe {
        let loops_from = lua_tointegerx(l, lua_upvalueindex(2), ptr::null_mut());
        if lua_type(l, 1) == LUA_TTABLE && lua_Integer::from(lua_gettop(l)) >= loops_from {
            lua_len(l, 1);
            let length = lua_tointegerx(l, -1, ptr::null_mut());
            lua_settop(l, -2);
            check_move(l, 0, length);
        }
        stock(l)
    }
}

/// `string.rep`: of nothing, however often, is nothing; the stock function would loop.
unsafe extern "C-unwind" fn string_rep(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types.
    unsafe {
        let is_empty = |index| lua_type(l, index) == LUA_TSTRING && lua_rawlen(l, index) == 0;
        // What has no count is the stock function's to refuse.
        let counted = lua_isnumber(l, 2) != 0;
        if counted && is_empty(1) && (lua_type(l, 3) <= LUA_TNIL || is_empty(3)) {
            lua_pushvalue(l, 1);
            return 1;
        }
        stock(l)
    }
}

/// Calls the stock function, upvalue 1, on the same frame. Raises.
pub(super) unsafe fn stock(l: L) -> c_int {
    // SAFETY: `replace` put a C function there. It sees the same arguments and no upvalues of its
    // own, which these stock functions do not have.
    unsafe {
        match lua_tocfunction(l, lua_upvalueindex(1)) {
            Some(stock) => stock(l),
            None => 0,
        }
    }
}

/// Puts `function`, over the stock one, into field `name` of the table on top. Raises (memory).
pub(super) unsafe fn replace(l: L, name: &CStr, function: lua_CFunction) {
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
        lua_getfield(l, -1, c"table".as_ptr());
        replace(l, c"move", table_move);
        for (name, loops_from) in [(c"insert", 3), (c"remove", 2), (c"sort", 1)] {
            lua_getfield(l, -1, name.as_ptr());
            lua_pushinteger(l, loops_from);
            lua_pushcclosure(l, table_loop, 2);
            lua_setfield(l, -2, name.as_ptr());
        }
        lua_settop(l, -2);
        lua_getfield(l, -1, c"string".as_ptr());
        replace(l, c"rep", string_rep);
        lua_settop(l, -3);
    }
}
