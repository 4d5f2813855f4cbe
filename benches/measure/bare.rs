//! The bare interpreters: mlua and rquickjs without anything around them.

use super::{Side, current_thread, timed};
use calog::fiber;
use mlua::{Function, Lua, LuaOptions, LuaSerdeExt, StdLib};
use rquickjs::{FromJs, IntoJs};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, LocalSet};

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

/// The same on a fiber each, from which the function could wait.
pub fn lua_call_on_a_fiber() -> Side {
    let lua = Lua::new();
    let inc = Rc::new(lua.load(LUA_INC).eval::<Function>().unwrap());
    Side::untimed(move |n| {
        let _lua = &lua;
        let mut context = Context::from_waker(Waker::noop());
        timed(|| {
            for x in 0..n as i64 {
                let inc = inc.clone();
                let call = fiber::spawn(move || Ok(inc.call::<i64>(x).unwrap()));
                let Poll::Ready(answer) = pin!(call.unwrap()).poll(&mut context) else {
                    panic!("it waits");
                };
                assert_eq!(answer.unwrap(), x + 1);
            }
        })
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
    let context = js();
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

/// A runtime with its full context.
pub fn js() -> rquickjs::Context {
    rquickjs::Context::full(&rquickjs::Runtime::new().unwrap()).unwrap()
}

/// A direct call of a JavaScript function from Rust.
pub fn js_call() -> Side {
    let context = js();
    Side::untimed(move |n| {
        context.with(|ctx| {
            let inc: rquickjs::Function<'_> = ctx.eval("x => x + 1").unwrap();
            timed(|| (0..n).for_each(|x| assert_eq!(inc.call::<_, u64>((x,)).unwrap(), x + 1)))
        })
    })
}

/// A native that calls the Lua function that it is given.
pub fn lua_callbacks() -> Side {
    let lua = Lua::new();
    let apply = |_: &Lua, (f, x): (Function, i64)| f.call::<i64>(x);
    lua.globals().set("apply", lua.create_function(apply).unwrap()).unwrap();
    lua_script(lua, &format!("{} {}", super::ours::ADD_ONE, lua_loop("apply(add_one, s)")))
}

/// `call_async` of a Lua function on a `LocalSet`, with 16 Lua threads kept for it.
pub fn lua_call_async() -> Side {
    let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new().thread_pool_size(16)).unwrap();
    let inc: Function = lua.load(LUA_INC).eval().unwrap();
    let (runtime, local) = (current_thread(), LocalSet::new());
    Side::untimed(move |n| {
        let _lua = &lua;
        let start = Instant::now();
        local.block_on(&runtime, async {
            for x in 0..n as i64 {
                assert_eq!(inc.call_async::<i64>(x).await.unwrap(), x + 1);
            }
        });
        start.elapsed()
    })
}

/// A value goes into Lua as the argument of a call, by mlua's serde.
pub fn lua_into<T: Serialize + 'static>(value: T) -> Side {
    let lua = Lua::new();
    let take: Function = lua.load("return function(v) return 1 end").eval().unwrap();
    Side::untimed(move |n| {
        let once = || take.call::<i64>(lua.to_value(&value).unwrap()).unwrap();
        timed(|| (0..n).for_each(|_| assert_eq!(once(), 1)))
    })
}

/// A value comes out of Lua as the result of a call, by mlua's serde.
pub fn lua_out_of<T: Serialize + DeserializeOwned + PartialEq + 'static>(value: T) -> Side {
    let lua = Lua::new();
    lua.globals().set("kept", lua.to_value(&value).unwrap()).unwrap();
    let give: Function = lua.load("return function() return kept end").eval().unwrap();
    Side::untimed(move |n| {
        let once = || lua.from_value::<T>(give.call::<mlua::Value>(()).unwrap()).unwrap();
        timed(|| (0..n).for_each(|_| assert!(once() == value)))
    })
}

/// A value goes into JavaScript as the argument of a call, by rquickjs's conversions: it has no serde.
pub fn js_into<T: for<'js> IntoJs<'js> + Clone + 'static>(value: T) -> Side {
    let context = js();
    Side::untimed(move |n| {
        context.with(|ctx| {
            let take: rquickjs::Function<'_> = ctx.eval("v => 1").unwrap();
            let once = || take.call::<_, i64>((value.clone(),)).unwrap();
            timed(|| (0..n).for_each(|_| assert_eq!(once(), 1)))
        })
    })
}

/// A value comes out of JavaScript as the result of a call, by rquickjs's conversions.
pub fn js_out_of<T>(value: T) -> Side
where
    T: for<'js> IntoJs<'js> + for<'js> FromJs<'js> + Clone + PartialEq + 'static,
{
    let context = js();
    Side::untimed(move |n| {
        context.with(|ctx| {
            ctx.globals().set("kept", value.clone()).unwrap();
            let give: rquickjs::Function<'_> = ctx.eval("() => kept").unwrap();
            let once = || give.call::<_, T>(()).unwrap();
            timed(|| (0..n).for_each(|_| assert!(once() == value)))
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

/// So many calls of a Lua function at once that wait in mlua's async native, on one thread.
pub fn lua_waits(count: u64, wait: Duration) -> Side {
    let lua = Lua::new();
    let sleep = move |_, ()| async move {
        tokio::time::sleep(wait).await;
        Ok(())
    };
    lua.globals().set("sleep", lua.create_async_function(sleep).unwrap()).unwrap();
    let text = "return function(x) sleep() return x + 1 end";
    let waits: Function = lua.load(text).eval().unwrap();
    let (runtime, local) = (current_thread(), LocalSet::new());
    Side::untimed(move |n| {
        let _lua = &lua;
        let all = || {
            local.block_on(&runtime, async {
                let mut calls = JoinSet::new();
                (0..count).for_each(|x| drop(calls.spawn_local(waits.call_async::<u64>(x))));
                let answers = calls.join_all().await.into_iter().map(Result::unwrap);
                assert_eq!(answers.sum::<u64>(), (1..=count).sum::<u64>());
            });
        };
        timed(|| (0..n).for_each(|_| all()))
    })
}

/// A Lua state with the libraries that calog's contexts have.
pub fn lua() -> Lua {
    let libraries = StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING;
    let libraries = libraries | StdLib::MATH | StdLib::UTF8 | StdLib::OS;
    Lua::new_with(libraries, LuaOptions::new()).unwrap()
}

/// Makes and drops Lua states.
pub fn lua_open() -> Side {
    Side::untimed(move |n| timed(|| (0..n).for_each(|_| drop(lua()))))
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
