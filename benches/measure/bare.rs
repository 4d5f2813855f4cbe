//! The bare interpreters: mlua and rquickjs without anything around them.

use super::{Side, current_thread, timed};
use mlua::{Function, Lua, LuaSerdeExt};
use std::{cell::Cell, future::Future, time::Instant};
use tokio::task::LocalSet;

pub const LUA_INC: &str = "return function(x) return x + 1 end";

/// A script's loop of `n` calls, which returns what `n` calls make of 0.
pub fn lua_loop(call: &str) -> String {
    format!("return function(n) local s = 0 for _ = 1, n do s = {call} end return s end")
}

/// A direct call of a Lua function from Rust.
pub fn lua_call() -> Side {
    let lua = Lua::new();
    let inc: Function = lua.load(LUA_INC).eval().unwrap();
    Side::untimed(move |n| {
        let _lua = &lua;
        timed(|| (0..n as i64).for_each(|x| assert_eq!(inc.call::<i64>(x).unwrap(), x + 1)))
    })
}

/// A native that a Lua script calls.
pub fn lua_native() -> Side {
    let lua = Lua::new();
    let add = lua.create_function(|_, (a, b): (i64, i64)| Ok(a + b)).unwrap();
    lua.globals().set("add", add).unwrap();
    lua_script(lua, &lua_loop("add(s, 1)"))
}

/// The same in JavaScript.
pub fn js_native() -> Side {
    let context = rquickjs::Context::full(&rquickjs::Runtime::new().unwrap()).unwrap();
    context.with(|ctx| {
        let add = rquickjs::Function::new(ctx.clone(), |a: f64, b: f64| a + b).unwrap();
        ctx.globals().set("add", add).unwrap();
        ctx.eval::<(), _>(
            "function calls(n) { let s = 0; for (let i = 0; i < n; i++) s = add(s, 1); return s }",
        )
        .unwrap();
    });
    Side::untimed(move |n| {
        context.with(|ctx| {
            let calls: rquickjs::Function<'_> = ctx.globals().get("calls").unwrap();
            timed(|| assert_eq!(calls.call::<_, f64>((n as f64,)).unwrap(), n as f64))
        })
    })
}

fn lua_script(lua: Lua, text: &str) -> Side {
    let calls: Function = lua.load(text).eval().unwrap();
    Side::untimed(move |n| {
        let _lua = &lua;
        timed(|| assert_eq!(calls.call::<u64>(n).unwrap(), n))
    })
}

/// A list of `length` integers from a Lua script to Rust and back, by mlua's serde.
pub fn lua_list(length: u64) -> Side {
    let lua = Lua::new();
    let through = |lua: &Lua, list: mlua::Value| {
        let list: Vec<i64> = lua.from_value(list)?;
        lua.to_value(&list)
    };
    lua.globals().set("through", lua.create_function(through).unwrap()).unwrap();
    lua.globals().set("list", (1..=length).collect::<Vec<_>>()).unwrap();
    lua_script(lua, &lua_loop(LIST_CALL))
}

/// What a script does with the list; it adds 1 if the list is whole.
pub const LIST_CALL: &str =
    "(function() local t = through(list) return t[#list] - #t + 1 + s end)()";

/// mlua's async native that a script calls, which waits as `waits` does.
pub fn lua_async_native<F: Future<Output = i64> + 'static>(waits: fn() -> F) -> Side {
    let lua = Lua::new();
    let native = move |_, x: i64| async move { Ok(waits().await + x) };
    lua.globals().set("native", lua.create_async_function(native).unwrap()).unwrap();
    let calls: Function = lua.load(lua_loop("native(s)")).eval().unwrap();
    let (runtime, local) = (current_thread(), LocalSet::new());
    Side::untimed(move |n| {
        let _lua = &lua;
        let start = Instant::now();
        let call = local.spawn_local(calls.call_async::<u64>(n));
        assert_eq!(local.block_on(&runtime, call).unwrap().unwrap(), n);
        start.elapsed()
    })
}

/// Makes and drops Lua states with the libraries that calog's contexts have.
pub fn lua_open() -> Side {
    use mlua::StdLib;
    let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING;
    let libraries = libraries | StdLib::MATH | StdLib::UTF8 | StdLib::OS;
    Side::untimed(move |n| {
        let open = || drop(Lua::new_with(libraries, mlua::LuaOptions::new()).unwrap());
        timed(|| (0..n).for_each(|_| open()))
    })
}

/// Makes and drops runtimes of JavaScript with their contexts.
pub fn js_open() -> Side {
    let open = || {
        let runtime = rquickjs::Runtime::new().unwrap();
        drop(rquickjs::Context::full(&runtime).unwrap());
    };
    Side::untimed(move |n| timed(|| (0..n).for_each(|_| open())))
}

/// Direct calls of functions in so many Lua states, one after the other.
pub fn lua_states(count: usize) -> Side {
    let state = |_| {
        let lua = Lua::new();
        let inc: Function = lua.load(LUA_INC).eval().unwrap();
        (lua, inc)
    };
    let states: Vec<(Lua, Function)> = (0..count).map(state).collect();
    let next = Cell::new(0);
    Side::untimed(move |n| {
        timed(|| {
            for x in 0..n as i64 {
                let inc = &states[next.get()].1;
                assert_eq!(inc.call::<i64>(x).unwrap(), x + 1);
                next.set((next.get() + 1) % states.len());
            }
        })
    })
}
