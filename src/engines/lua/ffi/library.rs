//! Library functions that stand in front of the stock ones, where those could hold a worker: what
//! loops in C, or runs with hooks off, is out of the reach of every interrupt.

use super::{L, hook};
use crate::fiber;
use mlua::ffi::*;
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr,
};

unsafe extern "C-unwind" {
    /// lauxlib.h of Lua 5.4, which mlua's bindings leave out.
    pub(super) fn luaL_typeerror(l: L, argument: c_int, expected: *const c_char) -> c_int;
}

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

/// `print`, whose upvalue 1 takes the whole line.
pub(super) unsafe extern "C-unwind" fn print(l: L) -> c_int {
    let mut buffer = MaybeUninit::uninit();
    let out: *mut luaL_Buffer = buffer.as_mut_ptr();
    // SAFETY: called by Lua. The buffer stays in this frame, and what it holds beyond that is a
    // userdata on the stack of `l`; a `__tostring` that runs meanwhile leaves both.
    unsafe {
        let count = lua_gettop(l);
        lua_pushvalue(l, lua_upvalueindex(1));
        luaL_buffinit(l, out);
        for index in 1..=count {
            if index > 1 {
                hook::checkpoint(l);
                luaL_addlstring(out, c"\t".as_ptr(), 1);
            }
            luaL_tolstring(l, index, ptr::null_mut());
            luaL_addvalue(out);
        }
        luaL_pushresult(out);
        lua_call(l, 1, 0);
    }
    0
}

/// Bytes of a text that the compiler gets between two checkpoints. What it makes of them may take
/// time that grows with what was there before, so they are few.
const PIECE: usize = 64;

/// `load`, whose text is compiled piece by piece. Text only: a binary chunk could break the
/// interpreter's memory.
unsafe extern "C-unwind" fn load(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function. Text and name lie on the stack.
    unsafe {
        let mode = luaL_optlstring(l, 3, c"bt".as_ptr(), ptr::null_mut());
        if ![c"t", c"bt"].contains(&CStr::from_ptr(mode)) {
            lua_pushnil(l);
            lua_pushstring(l, c"only text chunks are loaded".as_ptr());
            return 2;
        }
        if lua_isstring(l, 1) == 0 {
            lua_settop(l, lua_gettop(l).max(3));
            lua_pushstring(l, c"t".as_ptr());
            lua_replace(l, 3);
            return stock(l);
        }
        let mut length = 0;
        let text = lua_tolstring(l, 1, &raw mut length);
        let name = luaL_optlstring(l, 2, text, ptr::null_mut());
        let has_environment = lua_type(l, 4) != LUA_TNONE;
        if compile(l, text, length, name) != LUA_OK {
            lua_pushnil(l);
            lua_insert(l, -2);
            return 2;
        }
        if has_environment {
            lua_pushvalue(l, 4);
            if lua_setupvalue(l, -2, 1).is_null() {
                lua_settop(l, -2);
            }
        }
    }
    1
}

/// What is left of a text.
struct Pieces {
    start: *const c_char,
    length: usize,
}

/// Compiles a text, which is not bytecode, and pushes the function or the error.
///
/// # Safety
/// `l` must be live, in a protected call; `text` must be there for `length` bytes meanwhile, also
/// while the fiber is suspended.
pub(super) unsafe fn compile(
    l: L,
    text: *const c_char,
    length: usize,
    name: *const c_char,
) -> c_int {
    let mut pieces = Pieces { start: text, length };
    // SAFETY: the caller's promise. The compiler runs protected, so `pieces` outlives it.
    unsafe { lua_load(l, next_piece, (&raw mut pieces).cast(), name, c"t".as_ptr()) }
}

/// What the compiler asks for more. Raises if the call is to end.
unsafe extern "C-unwind" fn next_piece(
    l: L,
    pieces: *mut c_void,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: only `compile` passes it on, with its own pieces. The compiler's frames are C, and
    // it may suspend here as it may in a reader of the script.
    unsafe {
        hook::checkpoint(l);
        let pieces = &mut *pieces.cast::<Pieces>();
        let start = pieces.start;
        *length = pieces.length.min(PIECE);
        pieces.start = start.add(*length);
        pieces.length -= *length;
        start
    }
}

/// The longest format of `os.date`, `string.pack`, `packsize` and `unpack`, in bytes: each byte may
/// take a microsecond, and no format that somebody wrote is near it.
const LONGEST_FORMAT: usize = 1 << 14;

/// One of the functions that begin with a format.
unsafe extern "C-unwind" fn formats(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function, which checks the types.
    unsafe {
        if lua_type(l, 1) == LUA_TSTRING && lua_rawlen(l, 1) > LONGEST_FORMAT {
            return luaL_argerror(l, 1, c"format too long".as_ptr());
        }
        stock(l)
    }
}

/// A function that takes a while for a large text. C may call it again and again, as a handler of
/// `__close` or another metamethod, without an instruction in between; so it looks up itself.
unsafe extern "C-unwind" fn looks_up(l: L) -> c_int {
    // SAFETY: called by Lua; upvalue 1 is the stock function.
    unsafe {
        hook::checkpoint(l);
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

/// Puts `function` into field `name` of the table on top. Raises (memory).
pub(super) unsafe fn put(l: L, name: &CStr, function: lua_CFunction) {
    // SAFETY: run by `install`, protected.
    unsafe {
        lua_pushcclosure(l, function, 0);
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
        replace(l, c"load", load);
        lua_getfield(l, -1, c"os".as_ptr());
        replace(l, c"date", formats);
        lua_settop(l, -2);
        lua_getfield(l, -1, c"string".as_ptr());
        replace(l, c"pack", formats);
        replace(l, c"packsize", formats);
        replace(l, c"unpack", formats);
        replace(l, c"format", looks_up);
        lua_settop(l, -2);
        lua_getfield(l, -1, c"utf8".as_ptr());
        replace(l, c"len", looks_up);
        replace(l, c"offset", looks_up);
        replace(l, c"codepoint", looks_up);
        lua_settop(l, -2);
        replace(l, c"tonumber", looks_up);
        lua_settop(l, -2);
    }
}
