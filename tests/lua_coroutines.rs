//! The coroutine library and the protected calls: calog's own versions against those of stock Lua, while
//! the script is preempted all the time.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use calog::{Broker, Context, ErrorKind, Limits, Value};
use lua_support::*;
use std::time::Duration;

/// The shortest slice that makes sense.
const SLICE: Duration = Duration::from_micros(300);

/// `T(...)` computes for longer than a slice and returns its arguments, so that the script is preempted
/// right there; `L` is a log.
const HELPERS: &str = "local L = ''
    local function log(x) L = L .. tostring(x) .. ';' end
    local function T(...) for i = 1, 30000 do end return ... end
    local function closing(f) return setmetatable({}, {__close = f}) end\n";

const SNIPPETS: &[&str] = &[
    // What goes in and out of a coroutine.
    "local co = coroutine.create(function(...) local n = select('#', ...)
       local a, b = coroutine.yield(T(n, ...)) return T(a, b) end)
     return coroutine.resume(co, 1, nil, 3), coroutine.status(co), coroutine.resume(co, 4, 5),
       coroutine.status(co), coroutine.resume(co)",
    "local co = coroutine.create(function() T() return end) return select('#', coroutine.resume(co))",
    "local w = coroutine.wrap(function(a) while true do a = coroutine.yield(T(a) * 2) end end)
     return w(1), w(2), w(3)",
    "return select('#', coroutine.wrap(function() T() coroutine.yield(nil, nil) end)())",
    "local co = coroutine.create(function(...) return T(select('#', ...)) end)
     return coroutine.resume(co, table.unpack({}, 1, 250))",
    "local co = coroutine.create(function() T() return table.unpack({}, 1, 1000) end)
     return select('#', coroutine.resume(co))",
    "local s = 0 for v in coroutine.wrap(function() for i = 1, 2000 do coroutine.yield(i) end end) do
       s = s + v end return s",
    // Status and identity.
    "local a a = coroutine.create(function()
       local b = coroutine.create(function() T() return coroutine.status(a) end)
       return coroutine.status(a), coroutine.status(b), coroutine.resume(b) end)
     local s = coroutine.status(a) return s, coroutine.resume(a)",
    "local co = coroutine.create(function() T() error('x') end) coroutine.resume(co)
     return coroutine.status(co), coroutine.resume(co)",
    "return select(2, coroutine.running()), coroutine.isyieldable(), type(T(coroutine.running()))",
    "return coroutine.wrap(function() T() return select(2, coroutine.running()),
       coroutine.isyieldable() end)()",
    "local co = coroutine.create(function() end) return coroutine.isyieldable(co)",
    "local me = coroutine.running() return coroutine.status(me), coroutine.resume(me)",
    "local co co = coroutine.create(function() return T(coroutine.running()) == co end)
     return coroutine.resume(co)",
    "local seen = {} for i = 1, 3 do coroutine.wrap(function() T() seen[coroutine.running()] = i end)() end
     local n = 0 for _ in pairs(seen) do n = n + 1 end return n",
    // Errors in a coroutine.
    "local co = coroutine.create(function() T() error('msg') end) return coroutine.resume(co)",
    "local co = coroutine.create(function() T() error({code = 7}) end)
     local ok, e = coroutine.resume(co) return ok, type(e), e.code",
    "local co = coroutine.create(function() T() error() end) return coroutine.resume(co)",
    "local co = coroutine.create(function() local x = nil T() return x.y end) return coroutine.resume(co)",
    "return pcall(coroutine.wrap(function() T() error('inner') end))",
    "return pcall(coroutine.wrap(function() T() error('inner', 0) end))",
    "return pcall(function() return coroutine.wrap(function() T() error('in', 0) end)() end)",
    "local ok, e = pcall(coroutine.wrap(function() T() error({1}) end)) return ok, type(e), e[1]",
    "local w = coroutine.wrap(function() return T(1) end) w() return pcall(w)",
    "local w w = coroutine.wrap(function() return pcall(w) end) return w()",
    "local a a = coroutine.create(function()
       local b = coroutine.create(function() T() return coroutine.resume(a) end)
       return coroutine.resume(b) end) return coroutine.resume(a)",
    "local co co = coroutine.create(function() T() return coroutine.resume(co) end)
     return coroutine.resume(co)",
    "local function f(n) return coroutine.wrap(function() if n == 0 then T() error('deep', 0) end
       return f(n - 1) end)() end return pcall(f, 5)",
    "local co = coroutine.create(function() T() return table.unpack({}, 1, 999999) end)
     local ok, e = coroutine.resume(co) return ok, type(e)",
    "local function f() return coroutine.wrap(f)() end local ok, e = pcall(f)
     return ok, e:match('C stack overflow')",
    // Protected calls across yields.
    "local co = coroutine.create(function()
       local ok, v = pcall(function() return T(coroutine.yield(1)) + 1 end) return ok, v end)
     local _, a = coroutine.resume(co) return a, coroutine.resume(co, 41)",
    "local co = coroutine.create(function()
       local ok, e = pcall(function() error(T(coroutine.yield('y')), 0) end) return ok, e end)
     local _, a = coroutine.resume(co) return a, coroutine.resume(co, 'thrown')",
    "local co = coroutine.create(function() return xpcall(function() T() coroutine.yield(1)
       error('e', 0) end, function(m) T() return 'h:' .. m end) end)
     coroutine.resume(co) return coroutine.resume(co)",
    "local co = coroutine.create(function() return pcall(pcall, pcall, coroutine.yield, 'a') end)
     local _, a = coroutine.resume(co) T() return a, coroutine.resume(co, 'b', 'c')",
    "return coroutine.wrap(function() return pcall(coroutine.wrap(function() T() coroutine.yield('w') end)) end)()",
    "local w = coroutine.wrap(function() local ok, e = pcall(function()
       local ok, e = pcall(function() T(coroutine.yield(1)) error('a', 0) end)
       coroutine.yield(e) error('b', 0) end) coroutine.yield(T(e)) return 'end' end)
     return w(), w(), w(), w()",
    "local ok, e = pcall(coroutine.yield, 1) return ok",
    "return pcall(error)",
    "return pcall(assert, false, 'message')",
    "return pcall(function() assert(false, 'message') end)",
    "return pcall(function() assert(nil) end)",
    "return pcall(assert)",
    "return select('#', assert(1, 2, nil))",
    "return pcall(error, nil)",
    "return select('#', pcall(error))",
    // Places where stock Lua cannot yield.
    "return coroutine.wrap(function() return pcall(table.sort, {3, 2, 1},
       function(a, b) T() coroutine.yield() return a < b end) end)()",
    "return coroutine.wrap(function() return pcall(string.gsub, 'a', 'a', function() coroutine.yield() end) end)()",
    "local w = coroutine.wrap(function() local t = setmetatable({}, {__index = function(_, k)
       return T(coroutine.yield(k)) end}) return t.foo .. t.bar end) return w(), w(1), w(2)",
    "local w = coroutine.wrap(function() local m = {__eq = function() return T(coroutine.yield('eq')) end,
       __lt = function() return coroutine.yield('lt') end,
       __concat = function() return coroutine.yield('..') end}
       local a, b = setmetatable({}, m), setmetatable({}, m)
       return a == b, a < b, a .. b end) return w(), w(1), w(nil), w('c')",
    "local w = coroutine.wrap(function() for i in function(_, i) return T(coroutine.yield(i)) end do
       if i == 'stop' then return 'stopped' end end end) return w(), w(1), w('stop')",
    // xpcall and its handler.
    "return xpcall(function() T() error('a', 0) end, function(m) T() return m .. '!' end)",
    "return xpcall(function() T() error('a') end, function(m) return m .. '!' end)",
    "return xpcall(function() error({1}) end, function(m) T() return m[1] end)",
    "return xpcall(function() error() end, function(m) return type(T(m)) end)",
    "return xpcall(function() local x = nil + 1 end, function(m) T() return m end)",
    "return xpcall(function(...) return T(...) end, print, 1, 2, nil)",
    "return select('#', xpcall(function(...) return ... end, print, nil, nil))",
    "return pcall(xpcall)",
    "return pcall(xpcall, print)",
    "return pcall(xpcall, print, 1)",
    "return pcall(xpcall, print, setmetatable({}, {__call = function() end}))",
    "return xpcall(1, function(m) return m end)",
    "return xpcall(function() error('a', 0) end, function(m) return m, 'second' end)",
    "return xpcall(function() error('a', 0) end, function(m) T() error('b', 0) end)",
    "local n = 0 local ok, e = xpcall(error, function(m) n = n + 1 if n < 4 then error('again') end
       return 'settled ' .. n end) return ok, e",
    "return xpcall(error, function(m) return xpcall(error, function(m) return T(m) .. '2' end, m .. '1') end, '0')",
    "return xpcall(function() return xpcall(function() T() error('in', 0) end, function(m)
       error('handler', 0) end) end, function(m) return 'outer ' .. m end)",
    // Closing.
    "local co = coroutine.create(function() local x <close> = closing(function(_, e) T() log(e) end)
       coroutine.yield(T(1)) end) coroutine.resume(co)
     return coroutine.close(co), L, coroutine.status(co), coroutine.close(co)",
    "local co = coroutine.create(function() local x <close> = closing(function() T() error('bad', 0) end)
       coroutine.yield() end) coroutine.resume(co) return coroutine.close(co)",
    "local co = coroutine.create(function()
       local x <close> = closing(function(_, e) log('x') log(e) end)
       local y <close> = closing(function(_, e) log('y') log(e) T() error('from y', 0) end)
       coroutine.yield() end) coroutine.resume(co) local ok, e = coroutine.close(co) return ok, e, L",
    "local co = coroutine.create(function() T() error('x', 0) end) coroutine.resume(co)
     return coroutine.close(co)",
    "local co = coroutine.create(function() T() error({9}) end) coroutine.resume(co)
     local ok, e = coroutine.close(co) return ok, e[1], coroutine.close(co)",
    "return coroutine.close(coroutine.create(print))",
    "local co co = coroutine.create(function() T() return coroutine.status(co), pcall(coroutine.close, co) end)
     return coroutine.resume(co)",
    "local a a = coroutine.create(function() return coroutine.wrap(function()
       return pcall(coroutine.close, a) end)() end) return coroutine.resume(a)",
    "return pcall(coroutine.close, coroutine.running())",
    "local w = coroutine.wrap(function() local x <close> = closing(function(_, e) T() log(e) end)
       error('in') end) local ok, e = pcall(w) return ok, e, L",
    "local w = coroutine.wrap(function() local x <close> = closing(function() T() error('close err', 0) end)
       error('in') end) return pcall(w)",
    "local ok, e = pcall(function() local x <close> = closing(function(_, e) T() log(e) error('2', 0) end)
       error('1', 0) end) return ok, e, L",
    "do local a <close> = closing(function() T() log('a') end)
       local b <close> = closing(function() T() log('b') end) log('body') end return L",
    "local function f() local x <close> = closing(function() T() log('x') end) return T(1, 2, 3) end
     return f(), L",
    "for i = 1, 3 do local x <close> = closing(function() T() log(i) end) if i == 2 then break end end return L",
    "return pcall(function() local x <close> = {} end)",
    "local co = coroutine.create(function() local x <close> = closing(function(_, e)
       log(T(coroutine.yield('while closing'))) end) return 'result' end)
     local _, a = coroutine.resume(co) local _, b = coroutine.resume(co, 'resumed') return a, b, L",
    "local co = coroutine.create(function() coroutine.yield() end) coroutine.resume(co)
     local ok, e = pcall(function() local y <close> = closing(function() log(coroutine.close(co)) end)
       T() error('o', 0) end) return ok, e, coroutine.status(co), L",
    // Wrong arguments.
    "return pcall(coroutine.wrap)",
    "return pcall(coroutine.wrap, 1)",
    "return pcall(coroutine.create)",
    "return pcall(coroutine.create, {})",
    "return pcall(coroutine.resume)",
    "return pcall(coroutine.resume, {})",
    "return pcall(coroutine.status)",
    "return pcall(coroutine.close)",
    "return pcall(coroutine.close, 'x')",
    "return pcall(function() coroutine.resume(1) end)",
    "return pcall(function() coroutine.wrap('x') end)",
    "return pcall(function() local c = coroutine c.close(nil) end)",
    "return pcall(setmetatable, 1, {})",
    "return pcall(setmetatable, {})",
    "return pcall(function() setmetatable({}, 'x') end)",
    "return pcall(setmetatable, setmetatable({}, {__metatable = 1}), {})",
    "local t = {} return setmetatable(t, {__index = {a = 1}}) == t, t.a, setmetatable(t, nil).a",
    "return pcall(function() string.rep() end)",
    "return pcall(string.rep)",
    "return pcall(function() ('x'):rep({}) end)",
    "return pcall(function() ipairs() end)",
    "return pcall(function() local t = {} t.x.y = 1 end)",
    "return pcall(function() undefined() end)",
    "return pcall(function() local t = {} t:method() end)",
];

/// A context on the same worker that computes for ever, a call after the other.
async fn hog(broker: &Broker) -> (Context, tokio::task::JoinHandle<()>) {
    let source = "local n = 0
                  expose('hog', function() while true do n = n + 1 end end)
                  expose('turns', function() return n end)";
    let context = lua(broker, source).await;
    let hog = context.clone();
    let task = tokio::spawn(async move {
        loop {
            let call = hog.call::<()>("hog", ()).deadline(Duration::from_secs(5));
            assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Timeout);
        }
    });
    (context, task)
}

// C-118; engines.md, the seventh and the eighth rule.
#[tokio::test]
async fn coroutines_and_protected_calls_are_those_of_stock_lua_while_preempted() {
    let broker = builder().limits(Limits::default().slice(SLICE)).build().unwrap();
    let context = lua(&broker, "").await;
    let (hog, task) = hog(&broker).await;
    let mut wrong = Vec::new();
    for snippet in SNIPPETS {
        let snippet = format!("{HELPERS}{snippet}");
        let wanted = stock(&snippet);
        for _ in 0..2 {
            let got = within(context.eval_as::<String>("=s", &shown(&snippet))).await;
            let got = got.unwrap_or_else(|error| format!("{error:?}"));
            if got != wanted {
                let snippet = snippet.strip_prefix(HELPERS).unwrap();
                wrong.push(format!("{snippet}\n  stock: {wanted}\n  here:  {got}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    task.abort();
    // It had its turns in between, or nothing was shown.
    assert!(within(hog.call::<i64>("turns", ())).await.unwrap() > 100_000);
}

// C-118: the same with all of them at once, in one interpreter.
#[tokio::test]
async fn preempted_snippets_do_not_disturb_each_other() {
    let broker = builder().limits(Limits::default().slice(SLICE)).build().unwrap();
    let context = lua(&broker, "").await;
    let (_hog, task) = hog(&broker).await;
    let snippets = SNIPPETS.iter().map(|snippet| format!("{HELPERS}later(0) {snippet}"));
    // Alone first: what overlapping changes must be the overlapping's fault.
    let mut calls = Vec::new();
    for snippet in snippets {
        let source = shown(&snippet);
        let alone = within(context.eval_as::<String>("=s", &source)).await.unwrap();
        calls.push((source, alone));
    }
    let together = calls.iter().map(|(source, alone)| {
        let call = context.eval_as::<String>("=s", source);
        async move { assert_eq!(&call.await.unwrap(), alone, "in {source}") }
    });
    within(futures::future::join_all(together)).await;
    task.abort();
}

// Rule 1 of engines.md: what a coroutine keeps from one call to the next.
#[tokio::test]
async fn a_coroutine_lives_from_call_to_call() {
    let broker = builder().build().unwrap();
    let source = "local gen = coroutine.wrap(function(a)
                    local sum = 0
                    while true do sum = sum + later(a) a = coroutine.yield(sum) end
                  end)
                  expose('next', function(a) return gen(a) end)";
    let context = lua(&broker, source).await;
    let mut sum = 0;
    for i in 0..100 {
        sum += i;
        assert_eq!(within(context.call::<i64>("next", (i,))).await.unwrap(), sum);
    }
}

// Rule 12 of engines.md: an error, no corruption.
#[tokio::test]
async fn a_coroutine_that_waits_cannot_be_resumed_by_another_call() {
    let gate = Gate::default();
    let pass = gate.clone();
    let broker = builder().native_async("wait_here", move || pass.pass()).build().unwrap();
    let source = "local co = coroutine.create(function(x) wait_here() local y = coroutine.yield(x + 1) return y end)
                  expose('resume', function(x)
                    local ok, v = coroutine.resume(co, x) return tostring(ok) .. ' ' .. tostring(v) end)
                  expose('close', function() local ok, e = pcall(coroutine.close, co)
                    return tostring(ok) .. ' ' .. tostring(e) end)
                  expose('status', function() return coroutine.status(co) end)";
    let context = lua(&broker, source).await;
    let first = tokio::spawn(context.call::<String>("resume", (1,)));
    gate.arrived(1).await;
    let call = async |name| within(context.call::<String>(name, (2,))).await.unwrap();
    assert_eq!(call("status").await, "normal");
    assert_eq!(call("resume").await, "false cannot resume non-suspended coroutine");
    assert_eq!(call("close").await, "false cannot close a normal coroutine");
    gate.open(1);
    assert_eq!(within(first).await.unwrap().unwrap(), "true 2");
    assert_eq!(call("resume").await, "true 2");
    assert_eq!(call("status").await, "dead");
}

// Rule 9 of engines.md: the thread of a call is pooled; what a script does with an old one is harmless.
#[tokio::test]
async fn the_thread_of_another_call_cannot_be_misused() {
    let gate = Gate::default();
    let pass = gate.clone();
    let broker = builder().native_async("wait_here", move || pass.pass()).build().unwrap();
    let source = "local threads = {}
        expose('keep', function(wait)
          threads[#threads + 1] = coroutine.running()
          local a, b, c = 1, 2, 3
          if wait then wait_here() end
          return a + b + c
        end)
        expose('spin', function() threads[#threads + 1] = coroutine.running() while true do end end)
        expose('misuse', function()
          local args = {table.unpack({}, 1, 200)}
          for _, th in ipairs(threads) do
            coroutine.status(th)
            coroutine.isyieldable(th)
            pcall(coroutine.resume, th)
            pcall(coroutine.resume, th, table.unpack(args, 1, 200))
            pcall(coroutine.resume, th, function() return 1 end)
            pcall(coroutine.close, th)
            coroutine.status(th)
          end
        end)";
    let context = lua(&broker, source).await;
    for _ in 0..5 {
        assert_eq!(within(context.call::<i64>("keep", (false,))).await.unwrap(), 6);
        let killed = context.call::<()>("spin", ()).deadline(Duration::from_millis(15));
        assert_eq!(kind(within(killed).await), ErrorKind::Timeout);
        let waiting = tokio::spawn(context.call::<i64>("keep", (true,)));
        gate.arrived(1).await;
        within(context.call::<()>("misuse", ())).await.unwrap();
        gate.open(1);
        assert_eq!(within(waiting).await.unwrap().unwrap(), 6);
    }
}

// The Lua thread of a call that has ended serves the next one. A script that kept it finds it dead, as
// any coroutine that has ended, and cannot spoil it.
#[tokio::test]
async fn the_thread_of_a_call_that_has_ended_is_dead() {
    let broker = builder().build().unwrap();
    let source = "local kept
        expose('keep', function(n) kept = coroutine.running() return n end)
        expose('breaks', function() error('as it should', 0) end)
        expose('misuse', function()
          local n = call('keep', 5)
          local status = coroutine.status(kept)
          local ok, what = coroutine.resume(kept, 'x')
          local closed = coroutine.close(kept)
          local _, e = pcall(call, 'breaks')
          return {n, status, ok, what, closed, call('keep', 6), e.message, call('keep', 7)}
        end)";
    let context = lua(&broker, source).await;
    for _ in 0..3 {
        let seen = within(context.call::<Value>("misuse", ())).await.unwrap();
        let refused = "cannot resume dead coroutine";
        let message = "as it should";
        let parts: [Value; 8] = [
            5.into(),
            "dead".into(),
            false.into(),
            refused.into(),
            true.into(),
            6.into(),
            message.into(),
            7.into(),
        ];
        assert_eq!(seen, Value::list(parts));
    }
}

// Rule 8 of engines.md: a yield that no resume awaits is an error in the script, at every level.
#[tokio::test]
async fn a_yield_outside_of_coroutines_is_an_error_of_the_script() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "expose('yield', function() coroutine.yield(1) end)").await;
    for _ in 0..3 {
        let error = within(context.call::<()>("yield", ())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Raised);
        assert!(error.message().contains("yield"), "{error}");
        assert_eq!(kind(within(context.eval::<()>("coroutine.yield()")).await), ErrorKind::Raised);
    }
    // A callback is a call of its own: its yields do not reach the coroutine that passed it.
    let source = "return coroutine.wrap(function()
                    local ok, e = pcall(apply, function() coroutine.yield(1) end)
                    return e.kind end)()";
    assert_eq!(within(context.eval::<String>(source)).await.unwrap(), "raised");
}
