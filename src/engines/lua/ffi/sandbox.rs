//! Opening a state: an allow-list, since a stock state is no sandbox.

use super::{L, Modules, State, Target, coroutine, failure, library, native, strings, tables};
use crate::{
    engine::Scope,
    engines::lua::builtin::{Builtin, GLOBALS, PRELUDE},
    error::Result,
};
use mlua::{LuaOptions, StdLib, ffi::*};
use std::{
    cell::{Cell, RefCell},
    ffi::CStr,
    rc::Rc,
};

const PRELUDE_TEXT: &str = include_str!("../prelude.lua");

/// The base library's functions that scripts keep. The rest reaches files, or the collector.
const BASE: [&CStr; 22] = [
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
    c"coroutine",
    c"table",
];
/// The libraries that scripts keep besides `coroutine` and `table`.
const LIBRARIES: [&CStr; 4] = [c"string", c"math", c"utf8", c"os"];
/// What is left of `os`.
const OS: [&CStr; 3] = [c"time", c"clock", c"date"];

fn is_kept(name: &CStr) -> bool {
    BASE.contains(&name) || LIBRARIES.contains(&name)
}

impl State {
    /// A new state with its sandbox.
    ///
    /// # Errors
    /// `memory` if the limit is too small for a state.
    pub(in crate::engines::lua) fn open(scope: Rc<dyn Scope>) -> Result<Rc<Self>> {
        let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let libraries = libraries | StdLib::UTF8 | StdLib::OS;
        let lua = failure::opened(mlua::Lua::new_with(libraries, LuaOptions::new()))?;
        let mut main = std::ptr::null_mut();
        // SAFETY: only copies the pointer out; `lua` owns the state for as long as `State` lives.
        failure::opened(unsafe { lua.exec_raw::<()>((), |l| main = main_thread(l)) })?;
        let memory = scope.limits().memory_bytes;
        let state = Rc::new(Self {
            threads: RefCell::default(),
            caller: scope.caller().clone(),
            value_bytes: scope.limits().value_bytes,
            polls: scope.polls(),
            scope,
            folder: RefCell::default(),
            modules: Modules::default(),
            handles: Cell::new(0),
            proxies_epoch: Cell::new(0),
            main,
            lua,
        });
        let pointer: *const Self = Rc::as_ptr(&state);
        // SAFETY: rule 4: new threads copy the main thread's extra space, which mlua does not use
        // for Lua 5.4. `exec_raw` protects what raises; `build` keeps nothing with a destructor.
        failure::opened(unsafe {
            *lua_getextraspace(main).cast::<*const Self>() = pointer;
            lua_checkstack(main, LUA_MINSTACK);
            state.lua.exec_raw::<()>((), |l| {
                *lua_getextraspace(l).cast::<*const Self>() = pointer;
                build(l);
            })
        })?;
        failure::opened(state.lua.gc_collect())?;
        // mlua takes 0 for no limit at all.
        failure::opened(state.lua.set_memory_limit(memory.max(1)))?;
        Ok(state)
    }
}

/// # Safety
/// `l` must be live, in a protected call, with room for one.
unsafe fn main_thread(l: L) -> L {
    // SAFETY: the registry has the main thread at this index, always.
    unsafe {
        lua_rawgeti(l, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
        let main = lua_tothread(l, -1);
        lua_settop(l, -2);
        main
    }
}

/// Raises (memory).
unsafe fn build(l: L) {
    // SAFETY: run once by `open`, protected, before any script.
    unsafe {
        allow(l);
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
        prelude(l, &PRELUDE);
        lua_settop(l, 0);
    }
}

/// Replaces the global table's contents by what is on the list. Raises (memory).
unsafe fn allow(l: L) {
    // SAFETY: as in `build`. Fields are removed by setting them to nil, which is allowed in a
    // traversal.
    unsafe {
        lua_pushglobaltable(l);
        let globals = lua_gettop(l);
        remove_all_but(l, globals, is_kept);
        lua_getfield(l, globals, c"os".as_ptr());
        remove_all_but(l, globals + 1, |name| OS.contains(&name));
        lua_getfield(l, globals, c"string".as_ptr());
        remove_all_but(l, globals + 2, |name| name != c"dump");
        // The registry's table of loaded modules names the functions in messages ("bad argument #1
        // to 'string.rep'"): it keeps what scripts keep, and scripts cannot reach it.
        lua_getfield(l, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        remove_all_but(l, lua_gettop(l), is_kept);
        lua_settop(l, globals - 1);
    }
}

/// # Safety
/// `l` must be live, in a protected call, with room for three; `table` is the index of a table.
unsafe fn remove_all_but(l: L, table: i32, keep: impl Fn(&CStr) -> bool) {
    // SAFETY: the caller's promise; only string keys are read as strings.
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

/// Runs the prelude with the builtins that it wants. Raises (memory).
unsafe fn prelude(l: L, builtins: &[Builtin]) {
    // SAFETY: as in `build`; the text is calog's own.
    unsafe {
        let (text, name) = (PRELUDE_TEXT.as_ptr().cast(), c"=calog".as_ptr());
        if luaL_loadbufferx(l, text, PRELUDE_TEXT.len(), name, c"t".as_ptr()) != LUA_OK {
            lua_error(l);
        }
        for builtin in builtins {
            native::push_function(l, || Target::Builtin(*builtin));
        }
        lua_call(l, builtins.len() as i32, 0);
    }
}
