//! What one call costs, in every direction, each beside what it is compared with: from Rust into a
//! script, from a script to a native and to scripts of every language, on one worker and across two,
//! and callbacks. Closed loops: each call waits for the one before, and every answer is checked. What
//! many callers do at once is `throughput`, what values cost is `values`; the ratios that calog promises
//! are `summary`.

#![allow(missing_docs, reason = "a bench")]

mod measure;

use criterion::Criterion;
use measure::{
    Group, bare,
    by_hand::{self, Calls},
    once,
    ours::{self, Place},
    run, yields,
};

const LANGUAGES: [&str; 3] = ["lua", "js", "basic"];

fn from_rust(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "Rust to script, one thread");
    for language in LANGUAGES {
        group.side(&format!("calog, {language}"), || ours::inline_calls(language, 1));
    }
    group
        .side("calog, a handle in Lua", ours::inline_function_calls)
        .side("direct mlua", bare::lua_call)
        .side("mlua's call_async", bare::lua_call_async)
        .side("direct rquickjs", bare::js_call)
        .side("by hand", || by_hand::one_thread(Calls::Sync))
        .side("bare hop", || by_hand::one_thread(Calls::Bare));
    drop(group);
    Group::new(criterion, "Rust to Lua, across threads")
        .side("calog", || ours::asked(Place::Default, 1, 1))
        .side("by hand", || by_hand::asked(1, 1, Calls::Sync))
        .side("by hand, call_async", || by_hand::asked(1, 1, Calls::Async))
        .side("bare hop", || by_hand::asked(1, 1, Calls::Bare))
        .side("thread and condvar", || by_hand::thread_each(1, 1));
}

fn to_natives(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "script to native");
    for language in LANGUAGES {
        let call = || ours::script(Place::Workers(1), language, "", "add(s, 1)");
        group.side(&format!("calog, {language}"), call);
    }
    group.side("bare mlua", bare::lua_native).side("bare rquickjs", bare::js_native);
    drop(group);
    let call = |call| move || ours::script(Place::Workers(1), "lua", "", call);
    Group::new(criterion, "Lua to a native that suspends once")
        .side("calog", call("once(s)"))
        .side("mlua", || bare::lua_async_native(once))
        .side("calog, yields to tokio", call("yields(s)"))
        .side("mlua, yields to tokio", || bare::lua_async_native(yields));
}

fn between_scripts(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "script to script, one worker");
    for from in LANGUAGES {
        for to in LANGUAGES {
            group.side(&format!("calog, {from} to {to}"), || ours::pair(from, to, 1));
        }
    }
    group.side("direct mlua", bare::lua_call).side("direct rquickjs", bare::js_call);
    drop(group);
    Group::new(criterion, "script to script, two workers")
        .side("calog, lua to lua", || ours::pair("lua", "lua", 2))
        .side("calog, lua to js", || ours::pair("lua", "js", 2))
        .side("by hand", by_hand::two_threads);
    Group::new(criterion, "callbacks")
        .side("calog, to a script and back, one worker", || ours::callbacks(1))
        .side("calog, to a script and back, two workers", || ours::callbacks(2))
        .side("calog, to a native and back", ours::native_callbacks)
        .side("bare mlua, to a native and back", bare::lua_callbacks);
}

fn main() {
    run(|criterion| {
        from_rust(criterion);
        to_natives(criterion);
        between_scripts(criterion);
    });
}
