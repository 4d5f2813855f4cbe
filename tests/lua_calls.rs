//! Calls into Lua and out of it: a script may wait at any point of the language, calls of one context
//! overlap and end in any order, contexts call each other both ways, and functions travel as values.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use calog::{Broker, Context, ErrorKind, Function, Result, Value};
use futures::future::{join_all, try_join_all};
use lua_support::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// Every point of the language at which a script may call a native that waits. Each returns something
/// that is wrong if the wait lost, repeated or misplaced anything; stock Lua says what is right.
const POINTS: &[&str] = &[
    // A plain expression, arguments, a table, the conditions of loops.
    "local a, b = 7, 'x' local r = later(3) return a, b, r, later(4) + later(5) * later(6)",
    "local t = {later(1), [later('k')] = later(2), later(3)} return t[1], t[2], t.k, #t",
    "local i, s = 0, 0 while later(i) < 5 do i = i + 1 s = s + i end return s, i",
    "local i = 0 repeat i = i + 1 until later(i) == 4 return i",
    "local s = '' for i = later(1), later(9), later(2) do s = s .. i end return s",
    "local function f(...) return select('#', ...), ... end return f(later(1), nil, later(nil))",
    "local function f(n) if n == 0 then return later('end') end return f(n - 1) end return f(50)",
    "goto a ::b:: do return later('done') end ::a:: later(1) goto b",
    // Protected calls, and handlers.
    "return pcall(later, 5)",
    "return pcall(function() local x = later(5) error({x}) end) == false",
    "return pcall(function() local x = later('m') error(x, 0) end)",
    "return xpcall(function() later(1) error('a', 0) end, function(m) return later(m) .. later('!') end)",
    "return xpcall(later, function() return 'unused' end, 9)",
    "return xpcall(function() return 1 + later(nil) end, function(m) return later('handled') end)",
    "return pcall(pcall, xpcall, later, id, 3)",
    "local ok, e = pcall(function()
       local ok, e = pcall(function() error(later('inner'), 0) end)
       error(later(e) .. '+outer', 0)
     end) return ok, e",
    // Metamethods.
    "return setmetatable({}, {__index = function(t, k) return later(k .. 'v') end}).key",
    "local got local t = setmetatable({}, {__newindex = function(t, k, v) got = later(k) .. later(v)
       rawset(t, k, v) end}) t.a = 'b' return got, t.a",
    "local m = {__add = function(a, b) return later(10) + (type(b) == 'number' and b or 100) end}
     local x = setmetatable({}, m) return x + 1, 1 + x, x + x",
    "local m = {} for _, n in ipairs{'sub', 'mul', 'div', 'mod', 'pow', 'idiv', 'band', 'bor', 'bxor',
       'shl', 'shr'} do m['__' .. n] = function() return later(n) end end
     local x = setmetatable({}, m)
     return x - 1, x * 1, x / 1, x % 1, x ^ 1, x // 1, x & 1, x | 1, x ~ 1, x << 1, x >> 1",
    "local m = {__unm = function() return later('unm') end, __bnot = function() return later('bnot') end}
     local x = setmetatable({}, m) return -x, ~x",
    "local m = {} m.__eq = function(a, b) return later(rawlen(a) == rawlen(b)) end
     local a, b, c = setmetatable({1}, m), setmetatable({2}, m), setmetatable({}, m)
     return a == b, a == c, a ~= b, a ~= c",
    "local m = {__lt = function(a, b) return later(a.v < b.v) end,
       __le = function(a, b) return later(a.v <= b.v) end}
     local a, b = setmetatable({v = 1}, m), setmetatable({v = 2}, m)
     return a < b, b < a, a <= b, a > b, a >= b",
    "local m = {__concat = function(a, b) return later('(' .. (type(a) == 'table' and 'T' or a) .. ','
       .. (type(b) == 'table' and 'T' or b) .. ')') end}
     local x = setmetatable({}, m) return x .. 'r', 'l' .. x, 'a' .. 'b' .. x .. 'c'",
    "return setmetatable({}, {__call = function(self, a, b) return later(a) + later(b) end})(3, 4)",
    "return #setmetatable({}, {__len = function() return later(42) end})",
    "return tostring(setmetatable({}, {__tostring = function() return later('text') end}))",
    "return ('%s-%s'):format(setmetatable({}, {__tostring = function() return later('t') end}), later(1))",
    "local s = '' for k, v in pairs(setmetatable({}, {__pairs = function(t)
       return function(_, i) i = later((i or 0) + 1) if i < 4 then return i, i * i end end, t end}))
     do s = s .. k .. '=' .. v .. ' ' end return s",
    "local t = setmetatable({}, {__index = function(_, i) if i < 4 then return later(i * 2) end end})
     local s = 0 for _, v in ipairs(t) do s = s + v end return s",
    "return table.concat(setmetatable({}, {__len = function() return later(3) end,
       __index = function(_, i) return later('e' .. i) end}), '+')",
    "return table.unpack(setmetatable({}, {__index = function(_, i) return later(i) end}), 1, 3)",
    // Closing.
    "local log = '' do local a <close> = setmetatable({}, {__close = function(_, e)
       log = log .. later('a') .. tostring(e) end}) log = later('body') end return log",
    "local log = '' local ok, e = pcall(function()
       local a <close> = setmetatable({}, {__close = function(_, e) log = log .. later('a:') .. e end})
       local b <close> = setmetatable({}, {__close = function(_, e) log = log .. later('b:') .. e .. ' '
         error('second', 0) end})
       later(1) error('first', 0) end) return ok, e, log",
    "local log = '' for i in function(_, i) i = (i or 0) + 1 if i < 5 then return later(i) end end, nil, nil,
       setmetatable({}, {__close = function() log = log .. later('closed') end}) do
       log = log .. i if i == 3 then break end end return log",
    // Callbacks of the library.
    "local t = {5, 2, 4, 1, 3} table.sort(t, function(a, b) return later(a) < later(b) end)
     return table.concat(t, ',')",
    "return (('hello world'):gsub('%w+', function(w) return later('<' .. w .. '>') end))",
    "return (('$a $b'):gsub('%$(%w)', setmetatable({}, {__index = function(_, k) return later(k .. k) end})))",
    "local s = '' for w in ('one two'):gmatch('%a+') do s = s .. later(w) .. ';' end return s",
    "local s = 0 for v in function(_, v) v = (v or 0) + 1 return later(v <= 10 and v or nil) end do
       s = s + v end return s",
    "return select(2, load(function() later(1) return nil end))",
    // Chunks that are loaded, and their readers.
    "return load('local a = ... return later(a) + 1')(5)",
    "local parts, i = {'return ', 'later(', '21', ') * 2'}, 0
     return load(function() i = i + 1 return later(parts[i]) end)()",
    "return pcall(load('later(1) error(later(\\'in chunk\\'), 0)'))",
    "local env = setmetatable({}, {__index = function(_, k) return later(k .. '!') end})
     return load('return missing', 'c', 't', env)()",
    // Coroutines of the script: its yields still reach its own resume.
    "local co = coroutine.create(function(a) local b = coroutine.yield(later(a) + 1)
       local c = coroutine.yield(later(b) * 2) return later(c) .. '!' end)
     local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10)
     local _, z = coroutine.resume(co, 'z') return x, y, z, coroutine.status(co)",
    "local gen = coroutine.wrap(function() for i = 1, 4 do later(0) coroutine.yield(i) later(0) end end)
     local s = '' for i in gen do s = s .. later(i) end return s",
    "local function gen(n) return coroutine.wrap(function()
       if n == 0 then coroutine.yield(later('leaf')) later('end') return end
       for v in gen(n - 1) do coroutine.yield(later(n .. v)) end end) end
     local out = {} for v in gen(5) do out[#out + 1] = v end return table.concat(out, ' ')",
    "local co = coroutine.wrap(function() local ok, e = pcall(function()
       coroutine.yield(later('y')) error(later('e'), 0) end) coroutine.yield(later(e)) return later(ok) end)
     return co(), co(), co()",
    "local inner = coroutine.create(function() return later(1), coroutine.isyieldable() end)
     local outer = coroutine.create(function()
       return coroutine.resume(inner) end) return coroutine.resume(outer)",
    "local log = '' local co = coroutine.create(function()
       local x <close> = setmetatable({}, {__close = function() log = later('closed') end})
       coroutine.yield(later('y')) end)
     local _, y = coroutine.resume(co) return y, coroutine.close(co), log, coroutine.status(co)",
    "local co co = coroutine.create(function() later(1) return coroutine.status(co) end)
     return coroutine.resume(co)",
    "local a = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(later('a' .. i)) end end)
     local b = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(later('b' .. i)) end end)
     return a(), b(), a(), b(), a(), b()",
    "return coroutine.wrap(function() return pcall(function()
       local t = {3, 1, 2} table.sort(t, function(x, y) return later(x) < y end) return t[1] end) end)()",
    "return coroutine.wrap(function() local m = setmetatable({}, {__index = function(_, k)
       return coroutine.yield(later(k)) end}) return m.k end)()",
    // All at once.
    "local out = {} table.sort({2, 1}, function(a, b)
       ('ab'):gsub('%w', function(c)
         for v in coroutine.wrap(function()
           local t = setmetatable({}, {__index = function(_, k) return later(k .. c) end})
           coroutine.yield(select(2, xpcall(error, function(m) return t[m] end, 'e')))
         end) do out[#out + 1] = v end
       end) return a < b end) return table.concat(out, ' ', 1, 2)",
];

// C-118, C-117: the points at which nothing but the fiber below makes a wait possible.
#[tokio::test]
async fn a_script_may_wait_at_every_point_of_the_language() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for point in POINTS {
        let got = within(context.eval_as::<String>("=s", &shown(point))).await;
        assert_eq!(got.unwrap(), stock(point), "in {point}");
    }
}

// C-117, C-118: the same, all at once, several times each, in one interpreter.
#[tokio::test]
async fn waits_at_all_points_may_overlap_in_one_context() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    let wanted: Vec<_> = POINTS.iter().map(|point| (shown(point), stock(point))).collect();
    let calls = (0..8).flat_map(|_| &wanted).map(|(source, wanted)| {
        let call = context.eval_as::<String>("=s", source);
        async move { assert_eq!(&call.await.unwrap(), wanted, "in {source}") }
    });
    within(join_all(calls)).await;
    assert_eq!(context.usage().await.unwrap().calls, 0);
}

// C-118: below two coroutines of the script each wait is still the call's own.
#[tokio::test]
async fn every_point_may_wait_in_a_coroutine_in_a_coroutine() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for point in POINTS {
        let nested = format!(
            "return coroutine.wrap(function() return coroutine.wrap(function() {point}
             end)() end)()"
        );
        let got = within(context.eval_as::<String>("=s", &shown(&nested))).await;
        assert_eq!(got.unwrap(), stock(&nested), "in {nested}");
    }
}

// C-079, C-080: printing waits too when a script's own `__tostring` does.
#[tokio::test]
async fn print_may_wait_in_a_tostring_of_the_script() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let broker = builder()
        .output(move |_, line| {
            sink.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        })
        .build()
        .unwrap();
    let source = "local x = setmetatable({}, {__tostring = function() return later('waited') end})
                  print(x) print(x, 1, x)";
    lua(&broker, source).await;
    assert_eq!(*lines.lock().unwrap(), ["waited", "waited\t1\twaited"]);
}

// C-118: the top level of a module may wait, and so may its functions.
#[tokio::test]
async fn required_modules_may_wait() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file(
        "slow.lua",
        "local base = later(40) local M = {} function M.get(n) return base + later(n) end return M",
    );
    file(
        "main.lua",
        "local slow = require('slow') expose('get', function(n) return slow.get(n) end)
                      expose('again', function() return require('slow').get(1) end)",
    );
    let broker = builder().build().unwrap();
    let context = within(broker.load(folder.path().join("main.lua")).into_future()).await.unwrap();
    let calls = (0..50).map(|n| context.call::<i64>("get", (n,)));
    let wanted: Vec<i64> = (40..90).collect();
    assert_eq!(within(try_join_all(calls)).await.unwrap(), wanted);
    assert_eq!(within(context.call::<i64>("again", ())).await.unwrap(), 41);
}

// C-117, C-118, C-209: 50 s of waiting, done in the time of one wait.
#[tokio::test]
async fn a_thousand_calls_wait_at_the_same_time_in_one_context() {
    const CALLS: i64 = 1000;
    const WAIT: Duration = Duration::from_millis(50);
    /// Half a second is what it may take; the rest is for a busy machine and a debug build.
    const BOUND: Duration = Duration::from_millis(2000);

    let broker = builder().build().unwrap();
    let context = lua(&broker, "expose('wait', function(us, i) return nap(us, i) + 1 end)").await;
    let start = Instant::now();
    let us = i64::try_from(WAIT.as_micros()).unwrap();
    let calls = (0..CALLS).map(|i| context.call::<i64>("wait", (us, i)));
    let results = within(try_join_all(calls)).await.unwrap();
    let took = start.elapsed();
    assert_eq!(results, (1..=CALLS).collect::<Vec<_>>());
    assert!(took >= WAIT && took < BOUND, "took {took:?}");
}

/// Functions that wait at different points, among locals that must survive; each returns `466 * i`.
const MIXED: &str = r#"
    local function body(i, us)
      local locals = {}
      for k = 1, 30 do locals[k] = k * i end
      local got = nap(us, i)
      local ok, e = pcall(error, {i})
      assert(not ok and e[1] == i and got == i)
      for k = 1, 30 do got = got + locals[k] end
      return got
    end
    local kinds = {
      body,
      function(i, us)
        local sum = 0
        for v in coroutine.wrap(function()
          coroutine.yield(0) coroutine.yield(body(i, us)) coroutine.yield(0)
        end) do sum = sum + v end
        return sum
      end,
      function(i, us)
        local r
        table.sort({2, 1}, function(a, b) r = r or body(i, us) return a < b end)
        return r
      end,
      function(i, us) local r string.gsub('x', 'x', function() r = body(i, us) end) return r end,
      function(i, us) return setmetatable({}, {__index = function() return body(i, us) end}).field end,
      function(i, us) return setmetatable({}, {__add = function() return body(i, us) end}) + 1 end,
      function(i, us)
        return select(2, xpcall(error, function(m) return body(m, us) end, i))
      end,
      function(i, us)
        local r
        do local x <close> = setmetatable({}, {__close = function() r = body(i, us) end}) end
        return r
      end,
      function(i, us) return load('local f, i, us = ... return f(i, us)')(body, i, us) end,
      function(i, us)
        local co = coroutine.create(function()
          return coroutine.wrap(function() return body(i, us) end)()
        end)
        return select(2, coroutine.resume(co))
      end,
      function(i, us)
        for v in function(_, last) if not last then return body(i, us) end end do return v end
      end,
      function(i, us) return tonumber(tostring(setmetatable({}, {__tostring = function()
        return tostring(body(i, us)) end}))) end,
    }
    expose('kinds', #kinds)
    expose('mixed', function(kind, i, us) return kinds[kind](i, us) end)
"#;

// C-117, C-113: no order of ends but the one that the waits give.
#[tokio::test]
async fn two_thousand_overlapping_calls_end_in_any_order_and_right() {
    const CALLS: i64 = 2000;
    let broker = builder().build().unwrap();
    let context = lua(&broker, MIXED).await;
    let kinds = broker.export("kinds").unwrap().as_int().unwrap();
    let finished = AtomicUsize::new(0);
    let overtaken = AtomicUsize::new(0);
    let calls = (0..CALLS).map(|n| {
        // Numbers that are prime to each other mix kinds, arguments and delays.
        let (kind, i, us) = (n % kinds + 1, n * 7919 % 1000, n * 104_729 % 40 * 5_000);
        let call = context.call::<i64>("mixed", (kind, i, us));
        let (finished, overtaken) = (&finished, &overtaken);
        async move {
            assert_eq!(call.await.unwrap(), 466 * i, "kind {kind}, i {i}, after {us} us");
            if finished.fetch_add(1, SeqCst) < usize::try_from(n).unwrap() {
                overtaken.fetch_add(1, SeqCst);
            }
        }
    });
    within(join_all(calls)).await;
    // About half of them must have overtaken somebody, else they were run one after another.
    assert!(overtaken.into_inner() > 500, "they ended in the order of their beginning");
    assert_eq!(context.usage().await.unwrap().calls, 0);
}

/// Two contexts whose `down` functions call each other.
async fn ladder(broker: &Broker, workers: [usize; 2]) -> [Context; 2] {
    let source = |me: &str, other: &str| {
        format!(
            "expose('{me}_down', function(n)
               if n == 0 then return 0 end
               local mine = n * 3
               local r = {other}_down(n - 1)
               assert(mine == n * 3)
               return r + 1
             end)
             expose('{me}_forever', function(n) return {other}_forever(n + 1) end)
             expose('{me}_caught', function()
               local ok, e = pcall({other}_forever, 0)
               return {{ok = ok, kind = e.kind, message = e.message}}
             end)
             expose('{me}_one', function() return 1 end)"
        )
    };
    let a = named(broker, "a", workers[0], &source("a", "b")).await;
    let b = named(broker, "b", workers[1], &source("b", "a")).await;
    [a, b]
}

// C-111, C-112, C-115: a waiting context serves the calls that come back to it; its locals stay.
#[tokio::test]
async fn calls_go_back_and_forth_a_hundred_deep() {
    for workers in [[0, 0], [0, 1]] {
        let broker = builder().workers(2).build().unwrap();
        let [a, _b] = ladder(&broker, workers).await;
        let calls = (0..20).map(|_| a.call::<i64>("a_down", (100,)));
        let results = within(try_join_all(calls)).await.unwrap();
        assert_eq!(results, [100; 20], "on workers {workers:?}");
    }
}

// C-116, C-131: endless recursion through two contexts is an error that a script can catch.
#[tokio::test]
async fn endless_ping_pong_is_a_depth_error_that_a_script_can_catch() {
    for workers in [[0, 0], [0, 1]] {
        let broker = builder().workers(2).build().unwrap();
        let [a, b] = ladder(&broker, workers).await;
        let caught = within(a.call::<Value>("a_caught", ())).await.unwrap();
        let caught = caught.as_aggregate().unwrap();
        assert_eq!(caught.get_str("ok"), Some(&Value::Bool(false)));
        assert_eq!(caught.get_str("kind"), Some(&"depth".into()));
        assert!(caught.get_str("message").unwrap().as_str().unwrap().contains("128"));
        // Uncaught it reaches the host, and both contexts go on.
        assert_eq!(kind(within(b.call::<i64>("b_forever", (0,))).await), ErrorKind::Depth);
        assert_eq!(within(a.call::<i64>("a_one", ())).await.unwrap(), 1);
        assert_eq!(within(b.call::<i64>("b_one", ())).await.unwrap(), 1);
        assert_eq!(a.usage().await.unwrap().calls, 0);
    }
}

// C-116: a script that calls its own export is as deep as any other chain.
#[tokio::test]
async fn a_context_that_calls_itself_meets_the_same_depth() {
    let broker = builder().build().unwrap();
    let source = "expose('self_down', function(n) return n == 0 and 0 or 1 + self_down(n - 1) end)";
    let context = lua(&broker, source).await;
    assert_eq!(within(context.call::<i64>("self_down", (128,))).await.unwrap(), 128);
    assert_eq!(kind(within(context.call::<i64>("self_down", (129,))).await), ErrorKind::Depth);
}

// C-112: two roots that are inside of their contexts before either calls the other.
#[tokio::test]
async fn two_contexts_may_call_each_other_at_the_same_time() {
    for workers in [[0, 0], [0, 1]] {
        let meeting = Arc::new(tokio::sync::Barrier::new(2));
        let broker = builder()
            .workers(2)
            .native_async("meet", move || {
                let meeting = meeting.clone();
                async move { meeting.wait().await.is_leader() }
            })
            .build()
            .unwrap();
        let source = |me: &str, other: &str| {
            format!(
                "expose('{me}_leaf', function(x) return later(x) .. '{me}' end)
                 expose('{me}_cross', function() meet() return {other}_leaf('from {me} to ') end)"
            )
        };
        let a = named(&broker, "a", workers[0], &source("a", "b")).await;
        let b = named(&broker, "b", workers[1], &source("b", "a")).await;
        for _ in 0..20 {
            let calls = [a.call::<String>("a_cross", ()), b.call("b_cross", ())];
            let results = within(try_join_all(calls)).await.unwrap();
            assert_eq!(results, ["from a to b", "from b to a"]);
        }
    }
}

// C-022, C-034, C-080: Rust calls what Lua gave it, Lua calls what Rust gave it, each inside the other.
#[tokio::test]
async fn callbacks_go_both_ways_and_nest() {
    let broker = builder().build().unwrap();
    let source = "expose('nest', function(n)
                    local function f(k) if k == 0 then return later('bottom') end
                      return apply(function(j) return f(j) end, k - 1) .. k end
                    return f(n)
                  end)
                  expose('run', function(f, x) return f(later(x)) end)
                  expose('give', function(n) return function(x) return later(x) * n end end)";
    let context = lua(&broker, source).await;
    assert_eq!(within(context.call::<String>("nest", (5,))).await.unwrap(), "bottom12345");
    // A function that Lua returned is called from Rust, and passed back in as a callback.
    let triple: Function = within(context.call("give", (3,))).await.unwrap();
    assert_eq!(within(triple.call::<i64>((14,))).await.unwrap(), 42);
    assert_eq!(within(context.call::<i64>("run", (triple.clone(), 5))).await.unwrap(), 15);
    // From another thread it still runs on its owner.
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(within(triple.call::<i64>((7,))))
    });
    assert_eq!(other.join().unwrap().unwrap(), 21);
}

// C-022, C-027, C-187: a function value outlives the call that made it, and goes wherever it is sent.
#[tokio::test]
async fn functions_are_results_are_stored_and_passed_on() {
    for workers in [[0, 0, 0], [0, 1, 0]] {
        let broker = builder().workers(2).build().unwrap();
        let makes = "local n = 0
                     expose('counter', function() return function(by) n = n + by return n end end)
                     local kept
                     expose('remember', function() kept = function() return 'mine' end return kept end)
                     expose('is_mine', function(f) return f == kept, f() end)
                     expose('same', function(t) return t.a == kept and t.list[1] == kept and t.a() end)";
        let stores = "local f
                      expose('store', function(g) f = g end)
                      expose('use', function(by) return f(by) end)
                      expose('use_by_call', function(by) return call(f, by) end)
                      expose('hand_over', function() take(f) end)
                      expose('send_home', function(g) return is_mine(g) end)
                      expose('send_home_nested', function(g) return same({a = g, list = {g}}) end)";
        let takes = "local f expose('take', function(g) f = g end)
                     expose('use_taken', function(by) return f(by) end)";
        let _a = named(&broker, "a", workers[0], makes).await;
        let b = named(&broker, "b", workers[1], stores).await;
        let c = named(&broker, "c", workers[2], takes).await;
        within(async {
            let counter: Function = broker.call("counter", ()).await?;
            b.call::<()>("store", (counter.clone(),)).await?;
            assert_eq!(b.call::<i64>("use", (1,)).await?, 1);
            assert_eq!(b.call::<i64>("use_by_call", (10,)).await?, 11);
            assert_eq!(counter.call::<i64>((100,)).await?, 111);
            // Through a third context it is the same function, with the same state.
            b.call::<()>("hand_over", ()).await?;
            drop(counter);
            b.call::<()>("store", (Value::Nil,)).await?;
            assert_eq!(c.call::<i64>("use_taken", (1000,)).await?, 1111);
            // Home again it is the very function, not one that calls it.
            let mine: Function = broker.call("remember", ()).await?;
            assert!(b.call::<bool>("send_home", (mine.clone(),)).await?);
            let nested: String = b.call("send_home_nested", (mine,)).await?;
            assert_eq!(nested, "mine");
            Result::<()>::Ok(())
        })
        .await
        .unwrap();
    }
}

// C-033: a fresh closure with every call must not pile up.
#[tokio::test]
async fn a_hundred_thousand_callbacks_leave_the_handles_flat() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let broker = builder()
        .native("take", move |_: Function| count.fetch_add(1, SeqCst) as i64)
        .build()
        .unwrap();
    let source = "expose('many', function(n) for i = 1, n do take(function() return i end) end end)
                  expose('called', function(n) local s = 0
                    for i = 1, n do s = s + apply(function(x) return x + i end, i) end return s end)";
    let context = lua(&broker, source).await;
    let before = context.usage().await.unwrap();
    for _ in 0..10 {
        within(context.call::<()>("many", (10_000,))).await.unwrap();
    }
    assert_eq!(seen.load(SeqCst), 100_000);
    assert_eq!(within(context.call::<i64>("called", (2_000,))).await.unwrap(), 4_002_000);
    let after = context.usage().await.unwrap();
    assert_eq!(after.handles, before.handles);
    // The registry has reused the places: nothing is kept for each call.
    let grown = after.memory_bytes.saturating_sub(before.memory_bytes);
    assert!(grown < 4 << 20, "grown by {grown} bytes");
}

// C-033, C-026: one long call that passes closures must not collect them until its end either.
#[tokio::test]
async fn callbacks_of_one_endless_call_are_released_while_it_runs() {
    let broker = builder().native("take", |_: Function| {}).build().unwrap();
    let source = "expose('run', function() while true do take(function() end) end end)";
    let context = lua(&broker, source).await;
    let limits = calog::Limits::default();
    let call = context.call::<()>("run", ()).deadline(Duration::from_millis(1500));
    let error = within(call).await.unwrap_err();
    // Had they piled up, the memory limit would have ended it first.
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}; limit {}", limits.memory_bytes);
    assert_eq!(context.usage().await.unwrap().handles, 1);
}

// C-081, C-026: what a script holds of another's is released when its garbage is collected.
#[tokio::test]
async fn garbage_collection_of_the_holder_releases_the_owners_functions() {
    for worker in [0, 1] {
        let broker = builder().workers(2).build().unwrap();
        let owner = named(
            &broker,
            "owner",
            0,
            "expose('make', function(i) return function() return i end end)",
        )
        .await;
        let source = "local held = {}
                      expose('hold', function(n) for i = 1, n do held[i] = make(i) end return held[n]() end)
                      expose('let_go', function() held = {} end)
                      expose('churn', function() local t for i = 1, 20000 do t = {i} end end)";
        let holder = named(&broker, "holder", worker, source).await;
        assert_eq!(within(holder.call::<i64>("hold", (500,))).await.unwrap(), 500);
        assert_eq!(owner.usage().await.unwrap().handles, 501);
        within(holder.call::<()>("let_go", ())).await.unwrap();
        within(async {
            while owner.usage().await.unwrap().handles > 1 {
                holder.call::<()>("churn", ()).await.unwrap();
            }
        })
        .await;
    }
}

// C-081, C-082: closing the holder releases what it held, without any collection.
#[tokio::test]
async fn closing_the_holder_releases_the_owners_functions() {
    let broker = builder().build().unwrap();
    let owner =
        lua(&broker, "expose('make', function(i) return function() return i end end)").await;
    let source = "held = {} for i = 1, 100 do held[i] = make(i) end expose('last', held[100])";
    let holder = lua(&broker, source).await;
    assert_eq!(owner.usage().await.unwrap().handles, 101);
    within(holder.close()).await;
    assert_eq!(owner.usage().await.unwrap().handles, 1);
}

// C-028, C-083: a handle whose owner has closed is a clean error, wherever it is held.
#[tokio::test]
async fn functions_of_a_closed_context_are_dead_but_harmless() {
    let broker = builder().build().unwrap();
    let owner = lua(&broker, "expose('make', function() return function() return 1 end end)").await;
    let source = "local f = make()
                  expose('try', function() local ok, e = pcall(f) return e.kind end)
                  expose('raw', function() return f() end)
                  expose('get', function() return f end)";
    let holder = lua(&broker, source).await;
    let held: Function = within(owner.call("make", ())).await.unwrap();
    within(owner.close()).await;
    assert_eq!(within(holder.call::<String>("try", ())).await.unwrap(), "dead");
    assert_eq!(kind(within(holder.call::<i64>("raw", ())).await), ErrorKind::Dead);
    assert_eq!(kind(within(held.call::<i64>(())).await), ErrorKind::Dead);
    // Passing it around is no error; only calling it is.
    let again: Function = within(holder.call("get", ())).await.unwrap();
    assert_eq!(kind(within(again.call::<i64>(())).await), ErrorKind::Dead);
    assert_eq!(kind(within(holder.call::<i64>("gone", ())).await), ErrorKind::NotFound);
    drop((held, again));
    assert_eq!(within(holder.call::<String>("try", ())).await.unwrap(), "dead");
}

/// Evaluates an expression to a text.
async fn text(context: &Context, expression: &str) -> String {
    let source = format!("return tostring({expression})");
    within(context.eval::<String>(&source)).await.unwrap()
}

// C-068, C-073, C-141: names are found when they are used, so the order of loading does not matter.
#[tokio::test]
async fn names_are_found_when_they_are_used() {
    let broker =
        builder().native("wire.connect", |host: String| format!("to {host}")).build().unwrap();
    let user = lua(&broker, "expose('go', function() return late.greet('x') end)").await;
    assert_eq!(text(&user, "greet").await, "nil");
    assert_eq!(text(&user, "late").await, "nil");
    let other = lua(&broker, "expose('late.greet', function(x) return 'first ' .. x end)").await;
    assert_eq!(within(user.call::<String>("go", ())).await.unwrap(), "first x");
    // A later export replaces it, also for who has looked it up before.
    within(user.eval::<()>("kept = late.greet")).await.unwrap();
    let source = "expose('late.greet', function(x) return 'second ' .. x end)";
    within(other.eval::<()>(source)).await.unwrap();
    assert_eq!(within(user.call::<String>("go", ())).await.unwrap(), "second x");
    assert_eq!(text(&user, "kept('y')").await, "second y");
    // Natives have dotted names too, to any depth.
    assert_eq!(text(&user, "wire.connect('h')").await, "to h");
    assert_eq!(text(&user, "wire.nothing").await, "nil");
    within(other.eval::<()>("expose('a.b.c.d', function() return 'deep' end)")).await.unwrap();
    assert_eq!(text(&user, "a.b.c.d()").await, "deep");
    assert_eq!(text(&user, "a.b.x").await, "nil");
    // Names that no string can be are simply absent.
    assert_eq!(text(&user, "_G['\\xff\\xfe']").await, "nil");
    assert_eq!(text(&user, "_G[1]").await, "nil");
    assert_eq!(text(&user, "_G['']").await, "nil");
    assert_eq!(text(&user, "rawget(_G, 'one')").await, "nil");
    // The same export is the same function, so it can be compared and be a key.
    assert_eq!(text(&user, "late.greet == late.greet and one == one").await, "true");
}

// C-141: an export that has gone is gone for those who knew it.
#[tokio::test]
async fn a_name_is_gone_with_its_context() {
    let broker = builder().build().unwrap();
    let user = lua(&broker, "").await;
    let shop = lua(&broker, "expose('price', function() return 1 end) expose('shop.tax', 5)").await;
    assert_eq!(text(&user, "price() + shop.tax").await, "6");
    within(user.eval::<()>("kept = price")).await.unwrap();
    within(shop.close()).await;
    assert_eq!(text(&user, "price").await, "nil");
    assert_eq!(text(&user, "select(2, pcall(kept)).kind").await, "not_found");
    assert_eq!(text(&user, "shop").await, "nil");
    // Somebody else may take the names, also a namespace as a name.
    let next =
        "expose('price', function() return 2 end) expose('shop', function() return 'open' end)";
    let _next = lua(&broker, next).await;
    assert_eq!(text(&user, "kept() + price()").await, "4");
    assert_eq!(text(&user, "shop()").await, "open");
}

// C-005, C-007: data crosses by value.
#[tokio::test]
async fn exported_data_is_copied_at_every_look() {
    let broker = builder().data("version", "1.0").build().unwrap();
    let owner = lua(&broker, "prices = {10, 20, name = 'list'} expose('prices', prices)").await;
    let user = lua(&broker, "").await;
    assert_eq!(text(&user, "prices[1] + prices[2] .. prices.name .. version").await, "30list1.0");
    // A change of a copy is nobody else's; nor is a change of the original.
    within(user.eval::<()>("local p = prices p[1] = 99")).await.unwrap();
    within(owner.eval::<()>("prices[1] = 77")).await.unwrap();
    assert_eq!(text(&user, "prices[1]").await, "10");
    within(owner.eval::<()>("expose('prices', prices)")).await.unwrap();
    assert_eq!(text(&user, "prices[1]").await, "77");
    // Exposed data may hold functions; those cross by reference.
    let source = "local n = 0 expose('tools', {count = function() n = n + 1 return n end})";
    within(owner.eval::<()>(source)).await.unwrap();
    assert_eq!(text(&user, "tools.count() + tools.count()").await, "3");
    assert_eq!(kind(within(broker.call::<Value>("prices", ())).await), ErrorKind::Type);
    assert_eq!(text(&user, "select(2, pcall(call, 'prices')).kind").await, "type");
}

// C-073: a script's own global comes first, and gives the native back when it goes.
#[tokio::test]
async fn a_scripts_own_global_shadows_natives_and_exports() {
    let broker = builder().build().unwrap();
    let _other = lua(&broker, "expose('greet', function() return 'export' end)").await;
    let user = lua(&broker, "").await;
    assert_eq!(text(&user, "one() .. greet()").await, "1export");
    within(user.eval::<()>("function one() return 'mine' end greet = one")).await.unwrap();
    assert_eq!(text(&user, "one() .. greet()").await, "minemine");
    assert_eq!(text(&user, "call('one') .. call('greet')").await, "1export");
    within(user.eval::<()>("one = nil greet = nil")).await.unwrap();
    assert_eq!(text(&user, "one() .. greet()").await, "1export");
    // Even one that is false; and a shadowed name does no harm to other contexts.
    within(user.eval::<()>("one = false")).await.unwrap();
    assert_eq!(text(&user, "one").await, "false");
    let third = lua(&broker, "").await;
    assert_eq!(text(&third, "one()").await, "1");
}

// C-080, C-183, C-187: `call` takes a function or a name.
#[tokio::test]
async fn call_takes_a_function_or_a_name() {
    let broker = builder().build().unwrap();
    let source = "expose('lib.twice', function(x) return later(x) * 2 end)
                  expose('make', function() return function(...) return select('#', ...) end end)";
    let _other = lua(&broker, source).await;
    let user = lua(&broker, "").await;
    for (expression, wanted) in [
        ("call('lib.twice', 4)", "8"),
        ("call(lib.twice, 5)", "10"),
        ("call('later', 6)", "6"),
        ("call(later, 7)", "7"),
        ("call(function(a, b) return later(a) .. b end, 'a', 'b')", "ab"),
        ("call(make(), 1, nil, 3)", "3"),
        ("call(make(), nil, nil)", "2"),
        ("call(make())", "0"),
        ("call(call, call, call, 'id', 9)", "9"),
        ("call(tostring, 12)", "12"),
        ("select(2, pcall(call, 'nothing')).kind", "not_found"),
        ("select(2, pcall(call, 'lib')).kind", "not_found"),
        ("select(2, pcall(call)).kind", "type"),
        ("select(2, pcall(call, nil)).kind", "type"),
        ("select(2, pcall(call, 5)).kind", "type"),
        ("select(2, pcall(call, {})).kind", "type"),
        ("select(2, pcall(call, '\\xff')).kind", "type"),
        ("select(2, pcall(call, 'print')).kind", "not_found"),
    ] {
        assert_eq!(text(&user, expression).await, wanted, "of {expression}");
    }
}

// C-078, C-183: what cannot be exported is said, and nothing is changed by the attempt.
#[tokio::test]
async fn exports_that_are_not_allowed_are_errors() {
    let broker = builder().data("fixed", 1).build().unwrap();
    let _other = lua(&broker, "expose('taken', function() return 'theirs' end)").await;
    let user = lua(&broker, "").await;
    let before = user.usage().await.unwrap().handles;
    for (arguments, wanted) in [
        ("'taken', function() end", "denied"),
        ("'one', function() end", "denied"),
        ("'fixed', 2", "denied"),
        ("'fs.read', print", "denied"),
        ("'', 1", "type"),
        ("'a b', 1", "type"),
        ("'1a', 1", "type"),
        ("'a..b', 1", "type"),
        ("'.a', 1", "type"),
        ("'a.', 1", "type"),
        ("'a-b', 1", "type"),
        ("'a\\0b', 1", "type"),
        ("'\\xff', 1", "type"),
        ("42, 1", "type"),
        ("nil, 1", "type"),
        ("'x', coroutine.create(print)", "unrepresentable"),
    ] {
        let expression = format!("select(2, pcall(expose, {arguments})).kind");
        assert_eq!(text(&user, &expression).await, wanted, "of expose({arguments})");
    }
    assert_eq!(text(&user, "select(2, pcall(expose)).kind").await, "type");
    assert_eq!(text(&user, "select(2, pcall(expose, 'x')).kind").await, "type");
    assert_eq!(text(&user, "call('taken')").await, "theirs");
    assert_eq!(user.usage().await.unwrap().handles, before);
    assert!(!broker.names().contains(&"x".to_string()));
}

// C-137, C-107, C-083: closing answers all calls, in whatever state they are.
#[tokio::test]
async fn closing_answers_calls_that_run_wait_and_are_queued() {
    let gate = Gate::default();
    let (waits, runs) = (gate.clone(), gate.clone());
    let broker = builder()
        .native_async("wait_here", move || waits.pass())
        .native("run_here", move || runs.announce())
        .build()
        .unwrap();
    let source = "expose('wait', function() wait_here() return 1 end)
                  expose('nested', function()
                    return coroutine.wrap(function() return pcall(wait_here) end)() end)
                  expose('run', function() run_here() while true do pcall(function() while true do end end) end end)
                  expose('short', function() return 1 end)
                  expose('make', function() return function() return 1 end end)";
    let context = lua(&broker, source).await;
    let other = lua(
        &broker,
        "expose('through', function() return wait() end)
                              expose('alive', function() return 'alive' end)",
    )
    .await;
    let spawn = |call: calog::Call<Value>| tokio::spawn(call);
    let mut calls = Vec::new();
    for _ in 0..5 {
        calls.push(spawn(context.call("wait", ())));
        calls.push(spawn(context.call("nested", ())));
        calls.push(spawn(other.call("through", ())));
    }
    gate.arrived(15).await;
    calls.push(spawn(context.call("run", ())));
    gate.arrived(1).await;
    // The one that runs keeps its turn: these stay queued behind it.
    for _ in 0..5 {
        calls.push(spawn(context.call("short", ())));
    }
    let held = context.function("make").unwrap();
    within(context.close()).await;
    for call in calls {
        let result = within(call).await.unwrap();
        assert!(matches!(&result, Err(e) if e.kind() == ErrorKind::Dead), "{result:?}");
    }
    assert_eq!(kind(within(held.call::<Value>(())).await), ErrorKind::Dead);
    assert_eq!(kind(within(context.eval::<()>("")).await), ErrorKind::Dead);
    assert_eq!(kind(context.usage().await), ErrorKind::Dead);
    assert!(!broker.names().contains(&"short".to_string()));
    assert_eq!(within(other.call::<String>("alive", ())).await.unwrap(), "alive");
    let gone = text(&other, "select(2, pcall(function() return wait() end))").await;
    assert!(gone.contains("nil value"), "{gone}");
    within(context.close()).await;
}

// C-107, C-139: so does the end of the whole broker.
#[tokio::test]
async fn shutdown_answers_calls_that_run_and_wait() {
    let gate = Gate::default();
    let (waits, runs) = (gate.clone(), gate.clone());
    let broker = builder()
        .workers(2)
        .native_async("wait_here", move || waits.pass())
        .native("run_here", move || runs.announce())
        .build()
        .unwrap();
    let mut calls = Vec::new();
    for worker in [0, 1] {
        let source = format!(
            "expose('wait{worker}', function() wait_here() end)
             expose('run{worker}', function() run_here() while true do end end)"
        );
        let context = named(&broker, "c", worker, &source).await;
        calls.push(tokio::spawn(context.call::<Value>(&format!("wait{worker}"), ())));
        gate.arrived(1).await;
        calls.push(tokio::spawn(context.call::<Value>(&format!("run{worker}"), ())));
        gate.arrived(1).await;
    }
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    for call in calls {
        assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Shutdown);
    }
}

// C-207: a panic in a native is an error of the script, wherever the script calls it.
#[tokio::test]
async fn a_native_that_panics_is_an_error_that_a_script_can_catch() {
    let broker = builder()
        .native_async("boom_later", || async {
            tokio::task::yield_now().await;
            if true {
                panic!("boom later");
            }
        })
        .build()
        .unwrap();
    let context = lua(&broker, "").await;
    quiet("boom");
    for _ in 0..50 {
        let expression =
            "(function() local ok, e = pcall(boom) return e.kind .. ': ' .. e.message end)()";
        assert_eq!(text(&context, expression).await, "panicked: boom");
        let expression =
            "select(2, pcall(table.sort, {2, 1}, function() boom_later() end)).message";
        assert_eq!(text(&context, expression).await, "boom later");
    }
    assert_eq!(kind(within(context.eval::<()>("boom()")).await), ErrorKind::Panicked);
}

// C-111, C-176: everything of the above together, in a random mix that can be computed again.
#[tokio::test]
async fn a_random_mix_of_calls_between_contexts_gives_the_right_results() {
    const CONTEXTS: i64 = 6;
    const CALLS: i64 = 1500;
    fn next(x: i64) -> i64 {
        x * 16_807 % 2_147_483_647
    }
    fn wanted(x: i64, depth: i64) -> i64 {
        let x = next(x);
        let below = |x| if depth > 0 { wanted(x, depth - 1) } else { 5 };
        match x % 7 {
            0 => x % 1000,
            1 => (0..x % 3000).fold(x, |s, i| (s + i * 7) % 9973),
            2 => below(next(x)) + 1,
            3 => 2 * (x % 100) + 1,
            4 => x % 100 + 7,
            5 => (1..=3).map(|i| below(x + i)).sum::<i64>() % 100_000,
            _ => below(x % 500 + 1) + 3,
        }
    }
    let broker = builder().workers(2).build().unwrap();
    let source = |me: i64| {
        format!(
            "local function nx(x) return x * 16807 % 2147483647 end
             local function other(x) return 'c' .. x % {CONTEXTS} .. '.' end
             local function work(x, depth)
               x = nx(x)
               local function below(y)
                 if depth == 0 then return 5 end
                 return call(other(y) .. 'work', y, depth - 1)
               end
               local op = x % 7
               if op == 0 then later(0) return x % 1000
               elseif op == 1 then
                 local s = x
                 for i = 0, x % 3000 - 1 do s = (s + i * 7) % 9973 end
                 return s
               elseif op == 2 then
                 local r
                 table.sort({{2, 1}}, function(a, b) r = r or below(nx(x)) return a < b end)
                 return r + 1
               elseif op == 3 then
                 return call(other(x) .. 'apply', function(v) return later(v) * 2 + 1 end, x % 100)
               elseif op == 4 then
                 local ok, e = pcall(call, other(x) .. 'refuse', x % 100)
                 assert(not ok and e.kind == 'raised', tostring(e))
                 return tonumber(e.message:match('code(%d+)$')) + 7
               elseif op == 5 then
                 local s = 0
                 for v in coroutine.wrap(function()
                   for i = 1, 3 do coroutine.yield(below(x + i)) end
                 end) do s = s + v end
                 return s % 100000
               else
                 local ok, v = xpcall(error, function(m) return below(m) end, x % 500 + 1)
                 return v + 3
               end
             end
             expose('c{me}.work', work)
             expose('c{me}.apply', function(f, v) return f(v) end)
             expose('c{me}.refuse', function(c) error('code' .. c) end)"
        )
    };
    let mut contexts = Vec::new();
    for me in 0..CONTEXTS {
        contexts.push(named(&broker, "c", (me % 2) as usize, &source(me)).await);
    }
    let mut handles = Vec::new();
    for context in &contexts {
        handles.push(context.usage().await.unwrap().handles);
    }
    let calls = (0..CALLS).map(|n| {
        let call = broker.call::<i64>(&format!("c{}.work", n % CONTEXTS), (n * 7919 + 1, 3));
        async move { assert_eq!(call.await.unwrap(), wanted(n * 7919 + 1, 3), "of call {n}") }
    });
    within(join_all(calls)).await;
    // Callbacks that crossed are garbage of their receivers now: churn until they are collected.
    within(async {
        for (context, handles) in contexts.iter().zip(handles) {
            while context.usage().await.unwrap().handles > handles {
                let churn = "local t for i = 1, 20000 do t = {i} end";
                let all = contexts.iter().map(|context| context.eval::<()>(churn));
                try_join_all(all).await.unwrap();
            }
        }
    })
    .await;
}
