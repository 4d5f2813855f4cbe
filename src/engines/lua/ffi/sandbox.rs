//! Opening a state: an allow-list, since a stock state is no sandbox.

use super::{
    L, Modules, State, Target, coroutine, failure, heap::Heap, library, native, strings, tables,
    threads::Threads,
};
use crate::{
    engine::Scope,
    engines::lua::builtin::{GLOBALS, REQUIRE, WRITE},
    error::Result,
};
use mlua::ffi::*;
use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, c_int},
    rc::Rc,
};

const REQUIRE_TEXT: &str = include_str!("../require.lua");

/// The base library's functions that scripts keep. The rest reaches files, or the collector.
const BASE: [&CStr; 20] = [
    c"_G",
    c"_VERSION",
    c"assert",
    c"error",
    c"getmetatable",
    c"ipairs",
    c"load",
    c"next",
    c"pairs",
    c"pcall",
    c"rawequal",
    c"rawget",
    c"rawlen",
    c"rawset",
    c"select",
    c"setmetatable",
    c"tonumber",
    c"tostring",
    c"type",
    c"xpcall",
];
/// The libraries that scripts have besides.
const LIBRARIES: [(&CStr, lua_CFunction); 6] = [
    (c"coroutine", luaopen_coroutine),
    (c"table", luaopen_table),
    (c"string", luaopen_string),
    (c"math", luaopen_math),
    (c"utf8", luaopen_utf8),
    (c"os", luaopen_os),
];
/// What is left of `os`.
const OS: [&CStr; 3] = [c"time", c"clock", c"date"];

/// Globals that `require` uses, as they are before a script may replace them.
const USED_BY_REQUIRE: [&CStr; 4] = [c"type", c"error", c"pcall", c"load"];

impl State {
    /// A new state with its sandbox.
    ///
    /// # Errors
    /// `memory` if the limit is too small for a state.
    pub(in crate::engines::lua) fn open(scope: Rc<dyn Scope>) -> Result<Rc<Self>> {
        let (memory, epoch) = (scope.limits().memory_bytes, scope.epochs());
        let state = Rc::new(Self {
            threads: Threads::default(),
            caller: scope.caller().clone(),
            value_bytes: scope.limits().value_bytes,
            polls: scope.polls(),
            scope,
            folder: RefCell::default(),
            modules: Modules::default(),
            handles: Cell::new(0),
            proxies_epoch: Cell::new(0),
            epoch,
            heap: Heap::new(),
        });
        // SAFETY: the heap lies in an `Rc`, which is never taken apart. Rule 4: new threads copy the main thread's extra space. `lua_pcall` protects what
        // raises; `build` keeps nothing with a destructor. What is made there is there to stay, so
        // the collector would only waste its time.
        unsafe {
            let main = state.heap.open()?;
            *lua_getextraspace(main).cast::<*const Self>() = Rc::as_ptr(&state);
            lua_gc(main, LUA_GCSTOP);
            lua_pushcfunction(main, build);
            match lua_pcall(main, 0, 0, 0) {
                LUA_OK => lua_gc(main, LUA_GCRESTART),
                status => return Err(failure::not_opened(main, status)),
            };
        }
        state.heap.limit(memory);
        Ok(state)
    }
}

/// Raises (memory).
unsafe extern "C-unwind" fn build(l: L) -> c_int {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        open_libraries(l);
        failure::install(l);
        native::install(l);
        coroutine::install(l);
        library::install(l);
        strings::install(l);
        tables::install(l);
        lua_pushglobaltable(l);
        for (name, builtin) in GLOBALS {
            native::push_function(l, || Target::Builtin(builtin));
            lua_setfield(l, -2, name.as_ptr());
        }
        native::push_function(l, || Target::Builtin(WRITE));
        lua_pushcclosure(l, library::print, 1);
        lua_setfield(l, -2, c"print".as_ptr());
        lua_pushnil(l);
        for (depth, name) in (2..).zip(USED_BY_REQUIRE) {
            lua_getfield(l, -depth, name.as_ptr());
        }
        lua_pushcclosure(l, require, 1 + USED_BY_REQUIRE.len() as c_int);
        lua_setfield(l, -2, c"require".as_ptr());
    }
    0
}

/// Opens the libraries with what is on the list. Raises (memory).
unsafe fn open_libraries(l: L) {
    // SAFETY: as in `build`.
    unsafe {
        luaL_requiref(l, c"_G".as_ptr(), luaopen_base, 1);
        remove_all_but(l, lua_gettop(l), |name| BASE.contains(&name));
        for (name, open) in LIBRARIES {
            // This also names the functions in messages ("bad argument #1 to 'string.rep'"), by a
            // table of the registry, which scripts cannot reach.
            luaL_requiref(l, name.as_ptr(), open, 1);
            match name {
                _ if name == c"os" => remove_all_but(l, lua_gettop(l), |name| OS.contains(&name)),
                _ if name == c"string" => {
                    remove_all_but(l, lua_gettop(l), |name| name != c"dump");
                }
                _ => {}
            }
            lua_settop(l, -2);
        }
        lua_settop(l, -2);
    }
}

/// # Safety
/// `l` must be live, in a protected call, with room for three; `table` is the index of a table.
unsafe fn remove_all_but(l: L, table: c_int, keep: impl Fn(&CStr) -> bool) {
    // SAFETY: the caller's promise; only string keys are read as strings. Fields are removed by
    // setting them to nil, which is allowed in a traversal.
    unsafe {
        lua_pushnil(l);
        while lua_next(l, table) != 0 {
            lua_settop(l, -2);
            let known = lua_type(l, -1) == LUA_TSTRING
                && keep(CStr::from_ptr(lua_tolstring(l, -1, std::ptr::null_mut())));
            if !known {
                lua_pushvalue(l, -1);
                lua_pushnil(l);
                lua_rawset(l, table);
            }
        }
    }
}

/// `require`, which is written in Lua: most contexts never call it, so it is compiled when one does.
unsafe extern "C-unwind" fn require(l: L) -> c_int {
    // SAFETY: called by Lua; only `build` makes a closure of it, whose upvalue 1 is nil until the
    // function is there, and whose others are what that uses. A module may yield in a coroutine of the script: then `results` goes on.
    unsafe {
        if lua_type(l, lua_upvalueindex(1)) == LUA_TNIL {
            compile_require(l);
            lua_replace(l, lua_upvalueindex(1));
        }
        lua_pushvalue(l, lua_upvalueindex(1));
        lua_insert(l, 1);
        lua_callk(l, lua_gettop(l) - 1, LUA_MULTRET, 0, Some(results));
        results(l, LUA_OK, 0)
    }
}

/// All that is on the stack.
unsafe extern "C-unwind" fn results(l: L, _: c_int, _: lua_KContext) -> c_int {
    // SAFETY: called by Lua, or by `require`.
    unsafe { lua_gettop(l) }
}

/// Pushes the function of `require.lua`. Raises (memory).
unsafe fn compile_require(l: L) {
    // SAFETY: as in `require`; the text is calog's own.
    unsafe {
        luaL_checkstack(l, 20, std::ptr::null());
        let (text, name) = (REQUIRE_TEXT.as_ptr().cast(), c"=calog".as_ptr());
        if luaL_loadbufferx(l, text, REQUIRE_TEXT.len(), name, c"t".as_ptr()) != LUA_OK {
            lua_error(l);
        }
        for number in 0..USED_BY_REQUIRE.len() as c_int {
            lua_pushvalue(l, lua_upvalueindex(2 + number));
        }
        for builtin in REQUIRE {
            native::push_function(l, || Target::Builtin(builtin));
        }
        lua_call(l, (USED_BY_REQUIRE.len() + REQUIRE.len()) as c_int, 1);
    }
}
