//! Scripts that do not end, that eat memory or stack, and callers that go away: the service goes on.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use calog::{Broker, Context, ErrorKind, Limits, Value};
use futures::future::{join_all, try_join_all};
use lua_support::*;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const SLICE: Duration = Duration::from_micros(300);
const MIB: usize = 1 << 20;

/// The deadline of the runaways.
const DEADLINE: Duration = Duration::from_millis(60);

/// Scripts that never end, each in its own way.
const RUNAWAYS: &[&str] = &[
    // Plain loops.
    "while true do end",
    "repeat until false",
    "::top:: goto top",
    "for i = 1, math.huge do end",
    "for i = math.mininteger, math.maxinteger do end",
    "for _ in function() return 1 end do end",
    "local function f() return f() end f()",
    "local f, g function f() return g() end function g() return f() end f()",
    "local t = {} while true do t[1] = {t} end",
    "local s = '' while true do s = s .. 'x' end",
    "while true do local s = ('x'):rep(1000):upper():reverse() end",
    "local t = {1, 2, 3} while true do for k in pairs(t) do t[k] = k end end",
    // Loops that catch what ends them.
    "while true do pcall(function() while true do end end) end",
    "local function f() while true do pcall(f) end end f()",
    "while true do pcall(error, 'x') end",
    "local e = select(2, pcall(fail, 'io', 'x')) while true do pcall(error, e) end",
    "local function loop() while true do end end while true do xpcall(loop, loop) end",
    "local function loop() while true do end end xpcall(error, loop)",
    "local function f() while true do xpcall(f, f) end end f()",
    "local function h(m) error(m) end while true do xpcall(error, h) end",
    "local function h(m) return xpcall(error, h, m) end while true do xpcall(error, h) end",
    "while true do xpcall(function() error(setmetatable({}, {__tostring = function() while true do end end})) end,
       function(m) return tostring(m) end) end",
    // Closing.
    "while true do local x <close> = setmetatable({}, {__close = function() while true do end end}) end",
    "local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
    "while true do pcall(function() local x <close> = setmetatable({}, {__close = function()
       while true do pcall(function() while true do end end) end end}) error('x') end) end",
    "local function g() local x <close> = setmetatable({}, {__close = g}) while true do end end
     while true do pcall(g) end",
    "for _ in function() return 1 end, nil, nil, setmetatable({}, {__close = function() while true do end end})
       do while true do end end",
    // Coroutines.
    "coroutine.wrap(function() while true do end end)()",
    "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "local co = coroutine.create(function() while true do pcall(function() while true do end end) end end)
     while true do coroutine.resume(co) end",
    "while true do coroutine.wrap(function() coroutine.yield() end)() end",
    "local function f() coroutine.wrap(f)() end while true do pcall(f) end",
    "local function f() while true do coroutine.resume(coroutine.create(f)) end end f()",
    "coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end})
       while true do end end)()",
    "coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end})
       never() end)()",
    "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function()
       while true do end end}) while true do end end) coroutine.resume(co) coroutine.close(co)",
    "while true do local co = coroutine.create(function() local x <close> = setmetatable({},
       {__close = function() while true do end end}) coroutine.yield() end)
       coroutine.resume(co) pcall(coroutine.close, co) end",
    // Callbacks of the library.
    "table.sort({1, 2, 3, 4}, function() while true do end end)",
    "table.sort({1, 2, 3, 4}, function() while true do pcall(function() while true do end end) end end)",
    "while true do pcall(table.sort, {3, 2, 1}, function() while true do end end) end",
    "('x'):gsub('x', function() while true do end end)",
    "while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end",
    "load(function() while true do end end)",
    "load(function() return ' ' end)",
    "while true do load('while true do end')() end",
    "while true do load('local a = 1 return a') end",
    // Metamethods.
    "return setmetatable({}, {__index = function() while true do end end}).x",
    "setmetatable({}, {__newindex = function() while true do end end}).x = 1",
    "local m = {} m.__eq = function() while true do end end return setmetatable({}, m) == setmetatable({}, m)",
    "local m = {} m.__lt = function() while true do end end return setmetatable({}, m) < setmetatable({}, m)",
    "return setmetatable({}, {__concat = function() while true do end end}) .. 'x'",
    "return setmetatable({}, {__add = function() while true do end end}) + 1",
    "return setmetatable({}, {__call = function() while true do end end})()",
    "return #setmetatable({}, {__len = function() while true do end end})",
    "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    "print(setmetatable({}, {__tostring = function() while true do pcall(error) end end}))",
    "error(setmetatable({}, {__tostring = function() while true do end end}))",
    "for _ in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end",
    "return table.concat(setmetatable({}, {__len = function() return 1e9 end,
       __index = function() while true do end end}))",
    "return table.concat(setmetatable({}, {__len = function() return 1e9 end, __index = function() return '' end}))",
    "return table.unpack(setmetatable({}, {__index = function() while true do end end}), 1, 10)",
    // Natives, callbacks and other calls.
    "never()",
    "while true do pcall(never) end",
    "while true do pcall(one) end",
    "while true do pcall(later, 1) end",
    "while true do later(1) end",
    "while true do pcall(coroutine.wrap(function() never() end)) end",
    "local x <close> = setmetatable({}, {__close = function() never() end}) never()",
    "while true do pcall(function() local x <close> = setmetatable({}, {__close = function() pcall(never) end})
       never() end) end",
    "while true do pcall(apply, function() end) end",
    "apply(function() while true do end end)",
    "while true do pcall(apply, function() while true do pcall(error) end end) end",
    "local function f() while true do pcall(apply, f) end end f()",
    "while true do pcall(call, 'echo', 1) end",
    "while true do pcall(call, 'other_loop') end",
    "while true do pcall(call, 'nobody') end",
    "while true do expose('again', function() end) end",
    "while true do print('x') end",
    // Memory in loops that catch the end of it.
    "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(10000) end end) end",
    "while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end",
    "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end",
    // Stack in loops that catch the end of it.
    "local function r() return 1 + r() end while true do pcall(r) end",
    "local function r() local t = setmetatable({}, {__index = function() return r() end}) return t.x .. t.y end
     while true do pcall(r) end",
    "local function r(...) return r(1, ...) end while true do pcall(r) end",
    "local function r() return pcall(r) end while true do r() end",
];

/// What an innocent call of the same context does meanwhile: waits at some point, computes, is short.
const INNOCENT: &str = "
    local function body(i) local t = {i, i, i} local r = wait_here(i) return r + t[1] + t[2] + t[3] end
    expose('plain', body)
    expose('coro', function(i) return coroutine.wrap(function() return body(i) end)() end)
    expose('sorts', function(i) local r table.sort({2, 1}, function(a, b) r = r or body(i) return a < b end) return r end)
    expose('handles', function(i) return select(2, xpcall(error, function(m) return body(m) end, i)) end)
    expose('closes', function(i)
      local r do local x <close> = setmetatable({}, {__close = function() r = body(i) end}) end return r end)
    expose('sum', function(n) local s = 0 for i = 1, n do s = s + i end return s end)
    expose('echo', function(x) return x end)";

fn gated(limits: Limits) -> (Broker, Gate) {
    let gate = Gate::default();
    let pass = gate.clone();
    let broker = builder()
        .limits(limits)
        .native_async("wait_here", move |v: Value| {
            let pass = pass.pass();
            async move {
                pass.await;
                v
            }
        })
        .build()
        .unwrap();
    (broker, gate)
}

/// A context with innocent calls that wait, and another one that loops.
struct Arena {
    broker: Broker,
    gate: Gate,
    context: Context,
    other: Context,
}

impl Arena {
    async fn new(limits: &Limits) -> Self {
        let (broker, gate) = gated(limits.clone().memory_bytes(16 * MIB));
        let other = lua(
            &broker,
            "expose('other_loop', function()
               while true do pcall(function() while true do end end) end end)",
        )
        .await;
        let context = lua(&broker, INNOCENT).await;
        Self { broker, gate, context, other }
    }

    /// Runs `source` under a deadline, in the midst of innocent calls of the same context.
    ///
    /// # Errors
    /// What was wrong.
    async fn run(&self, source: &str) -> Result<(), String> {
        let Self { gate, context, .. } = self;
        let names = ["plain", "coro", "sorts", "handles", "closes"];
        let waiting: Vec<_> =
            names.iter().map(|name| tokio::spawn(context.call::<i64>(name, (7,)))).collect();
        gate.arrived(5).await;
        let start = Instant::now();
        let runaway = context.eval::<Value>(source).deadline(DEADLINE);
        let sum = context.call::<i64>("sum", (100_000,));
        let both = async { tokio::join!(runaway, sum) };
        let both = tokio::time::timeout(DEADLINE + 2 * LATE, both).await;
        let (result, sum) = both.map_err(|_| "it hangs".to_string())?;
        let took = start.elapsed();
        let mut wrong = Vec::new();
        match result {
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            other => wrong.push(format!("ended with {other:?}")),
        }
        if took > DEADLINE + LATE {
            wrong.push(format!("took {took:?}"));
        }
        if !matches!(sum, Ok(5_000_050_000)) {
            wrong.push(format!("the sum is {sum:?}"));
        }
        let start = Instant::now();
        let echo = tokio::time::timeout(2 * LATE, context.call::<i64>("echo", (5,))).await;
        let echo = echo.map_err(|_| "the context hangs afterwards".to_string())?;
        if !matches!(echo, Ok(5)) || start.elapsed() > LATE {
            wrong.push(format!("the next call gave {echo:?} after {:?}", start.elapsed()));
        }
        gate.open(5);
        for (name, call) in names.iter().zip(waiting) {
            let result = within(call).await.unwrap();
            if !matches!(result, Ok(28)) {
                wrong.push(format!("{name} gave {result:?}"));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n    ")) }
    }
}

/// The runaways in one context: those after the first meet what the ones before have left.
async fn run_all_away(limits: Limits, runaways: &[&str]) {
    let mut arena = Arena::new(&limits).await;
    let mut wrong = Vec::new();
    for source in runaways {
        if let Err(problem) = arena.run(source).await {
            wrong.push(format!("{source}\n    {problem}"));
            // Its worker may be lost: the others get a new one.
            arena = Arena::new(&limits).await;
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for context in [arena.context, arena.other] {
        let usage = within(context.usage()).await.unwrap();
        assert_eq!(usage.calls, 0);
    }
    within(arena.broker.shutdown(TIMEOUT)).await.unwrap();
}

// C-210, Z-033 to Z-035: every runaway ends soon after its deadline, and nobody else feels it.
#[tokio::test]
async fn every_runaway_ends_at_its_deadline_and_harms_no_innocent_call() {
    run_all_away(Limits::default(), RUNAWAYS).await;
}

// The same while everything is preempted as often as can be.
#[tokio::test]
async fn every_runaway_ends_under_the_shortest_slice_too() {
    run_all_away(Limits::default().slice(SLICE), RUNAWAYS).await;
}

// C-210: an interrupt that comes while one coroutine ends must reach the next one.
#[tokio::test]
async fn interrupts_are_not_lost_when_coroutines_come_and_go() {
    /// Some slices, and as much again for a busy machine.
    const BOUND: Duration = Duration::from_millis(600);
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for source in [
        "local function f() coroutine.wrap(f)() end while true do pcall(f) end",
        "while true do coroutine.wrap(function() end)() end",
    ] {
        let mut took = Vec::new();
        for _ in 0..15 {
            let start = Instant::now();
            let result = within(context.eval::<()>(source).deadline(DEADLINE)).await;
            assert_eq!(kind(result), ErrorKind::Timeout);
            took.push(start.elapsed());
        }
        assert!(took.iter().all(|took| *took < DEADLINE + BOUND), "{took:?} of {source}");
    }
}

/// Single calls of library functions that would hold the worker for longer than anybody waits.
const HOLDERS: &[&str] = &[
    // Patterns that backtrack, or that are dear at every step.
    "return ('x'):rep(100):find(('x*'):rep(30) .. 'y')",
    "return ('x'):rep(100):match(('x-'):rep(30) .. 'y')",
    "return ('x'):rep(100):match(('x?'):rep(99) .. 'y')",
    "for _ in ('x'):rep(100):gmatch(('.-'):rep(30) .. 'y') do end",
    "return ('x'):rep(100):gsub(('(x*)'):rep(30) .. 'y', '%1')",
    "return ('x'):rep(100):gsub(('x+'):rep(30) .. 'y', {})",
    "while true do pcall(string.find, ('x'):rep(100), ('x*'):rep(30) .. 'y') end",
    "return ('('):rep(1e6):find('%b()')",
    "return ('x'):rep(1e6):find('[' .. ('a'):rep(1e6) .. ']')",
    "return ('x'):rep(1e6):find('.-[' .. ('a'):rep(1e6) .. ']')",
    "return ('x'):rep(1e6):find('%f[' .. ('a'):rep(1e6) .. ']')",
    "return ('x'):rep(1e6):match('(.-)%1y')",
    // Tables whose length is made up, or that are large: sixty keys make a border a huge number.
    "return table.move({}, 1, 1 << 40, 2)",
    "return table.move({}, '1', '1099511627776', 2)",
    "return table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1, 'x')",
    "return table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), '1', 'x')",
    "return table.remove(setmetatable({}, {__len = function() return 1 << 40 end}), 1.0)",
    "local t = {1, 2, 3, 4, 5} t[8] = 1 t[9] = 1 for i = 4, 40 do t[1 << i] = 1 end
       assert(#t > 1 << 39) return table.insert(t, 1, 'x')",
    "local t = {1, 2, 3, 4, 5} t[8] = 1 t[9] = 1 for i = 4, 40 do t[1 << i] = 1 end
       return table.remove(t, 1)",
    "return table.sort(setmetatable({}, {__len = function() return 1 << 30 end}), math.type)",
    // C functions as metamethods, also of what is no table, and long chains of tables.
    "return table.insert(setmetatable({}, {__len = function() return 1 << 40 end,
       __index = rawlen, __newindex = rawequal}), 1, 'x')",
    "return table.remove(setmetatable({}, {__len = function() return 1 << 40 end,
       __index = rawlen, __newindex = rawequal}), 1)",
    "local m = getmetatable('') m.__len = rawlen m.__index = string.sub
     return table.concat('', '', 1, 1 << 40)",
    "local t = {} for _ = 1, 1900 do t = setmetatable({}, {__index = t}) end
     return table.move(t, 1, 1 << 40, 1, {})",
    "local t = {} for _ = 1, 1900 do t = setmetatable({}, {__index = t}) end
     return ('x'):rep(1 << 22):gsub('.', t)",
    "local s, m = ('x'):rep(1 << 22), getmetatable('') m.__close = string.format
     local function f(n) local x <close> = s if n > 0 then return f(n - 1) + 1 end end return f(5000)",
    "local s, m = ('x'):rep(1 << 22), getmetatable('') m.__close = string.upper
     local function f(n) local x <close> = s if n > 0 then return f(n - 1) + 1 end end return f(5000)",
    // The compiler.
    "return load('return ' .. ('1+'):rep(15000000) .. '1')",
];

// C-210: promise 3 of the design holds for the library too: also others of the same worker go on.
#[tokio::test]
async fn library_functions_hold_no_worker() {
    const DEADLINE: Duration = Duration::from_millis(200);
    let mut wrong = Vec::new();
    for source in HOLDERS {
        let broker = builder().build().unwrap();
        let context = lua(&broker, "expose('echo', function(x) return x end)").await;
        let neighbour = lua(&broker, "expose('neighbour', function(x) return x end)").await;
        let mut answers = 0;
        let meanwhile = async {
            loop {
                assert_eq!(neighbour.call::<i64>("neighbour", (7,)).await.unwrap(), 7);
                answers += 1;
            }
        };
        let call = context.eval::<Value>(source).deadline(DEADLINE);
        let result = tokio::time::timeout(DEADLINE + LATE, async {
            tokio::select! { result = call => result, () = meanwhile => unreachable!() }
        });
        let result = result.await;
        let is_cut_off = matches!(&result, Ok(Err(e)) if e.kind() == ErrorKind::Timeout);
        if !is_cut_off || answers < 3 {
            wrong.push(format!("{source}\n    {result:?}, {answers} answers"));
            continue;
        }
        // What the script did to the metatable of texts is its own.
        let echo = tokio::time::timeout(LATE, context.call::<i64>("echo", (5,))).await;
        if !matches!(echo, Ok(Ok(5))) {
            wrong.push(format!("{source}\n    afterwards {echo:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} hold it:\n{}", wrong.len(), wrong.join("\n"));
}

// Nobody writes formats that would take the functions of C long.
#[tokio::test]
async fn endless_formats_are_refused() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for call in [
        "os.date(('%c'):rep(1e6))",
        "string.pack(('x'):rep(1e6))",
        "string.packsize(('b'):rep(1e6))",
        "string.unpack(('x'):rep(1e6), '')",
    ] {
        let error = within(context.eval::<Value>(&format!("return {call}"))).await.unwrap_err();
        assert!(error.message().contains("format too long"), "{error:?}");
    }
}

/// Calls that would loop for nothing: they are at their end at once.
const LOOPS_FOR_NOTHING: &[&str] =
    &["return ('').rep('', 1 << 40)", "return ('').rep('', 1 << 40, '')"];

#[tokio::test]
async fn what_would_loop_for_nothing_does_not() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for source in LOOPS_FOR_NOTHING {
        assert_eq!(within(context.eval::<String>(source)).await.unwrap(), "", "{source}");
    }
}

/// Waits until no call of `context` is left.
async fn idle(context: &Context) {
    within(async {
        while context.usage().await.unwrap().calls > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

// C-210, Z-036: a caller that goes away takes its call with it, wherever the script is.
#[tokio::test]
async fn dropping_the_callers_future_cancels_the_script() {
    let gate = Gate::default();
    let (waits, runs) = (gate.clone(), gate.clone());
    let broker = builder()
        .workers(2)
        .native_async("wait_here", move || waits.pass())
        .native("run_here", move || runs.announce())
        .build()
        .unwrap();
    let helper = "closed_here = {}
                  expose('helper', function(what)
                    local x <close> = setmetatable({}, {__close = function() closed_here[#closed_here + 1] = what end})
                    wait_here()
                  end)
                  expose('closed_here', function() local c = closed_here closed_here = {} return table.concat(c, ' ') end)";
    let mut wrong = Vec::new();
    for worker in [0, 1] {
        let helper = named(&broker, "helper", worker, helper).await;
        let source = "
            local closed = {}
            local function guard(name)
              return setmetatable({}, {__close = function(_, e)
                closed[#closed + 1] = name .. (e == nil and '!' or '') end})
            end
            expose('closed', function() local c = closed closed = {} return table.concat(c, ' ') end)
            local ways = {
              waits = function() wait_here() end,
              catches = function() while true do pcall(wait_here) end end,
              computes = function() run_here() while true do end end,
              calls = function() helper('callee') end,
              calls_and_catches = function() while true do pcall(helper, 'callee') end end,
              callback = function() apply(function() local x <close> = guard('inner') wait_here() end) end,
              wraps = function() coroutine.wrap(function() coroutine.wrap(function()
                local x <close> = guard('inner') wait_here() end)() end)() end,
              resumes = function()
                local co = coroutine.create(function() local x <close> = guard('inner') wait_here() end)
                coroutine.resume(co) coroutine.close(co) wait_here() end,
              sorts = function() table.sort({2, 1}, function() local x <close> = guard('inner') wait_here() end) end,
              handles = function() xpcall(error, function() local x <close> = guard('inner') wait_here() end) end,
              closes = function() local x <close> = setmetatable({}, {__close = function() wait_here() end}) end,
              gsubs = function() ('x'):gsub('x', function() local x <close> = guard('inner') wait_here() end) end,
            }
            expose('run', function(way) local x <close> = guard(way) ways[way]() end)
            expose('echo', function(x) return later(x) end)";
        let context = lua(&broker, source).await;
        for (way, closed, closed_there) in [
            ("waits", "waits", ""),
            ("catches", "catches", ""),
            ("computes", "computes", ""),
            ("calls", "calls", "callee"),
            ("calls_and_catches", "calls_and_catches", "callee"),
            ("callback", "callback inner", ""),
            ("wraps", "inner wraps", ""),
            ("resumes", "inner resumes", ""),
            ("sorts", "inner sorts", ""),
            ("handles", "inner handles!", ""),
            ("closes", "closes", ""),
            ("gsubs", "inner gsubs", ""),
        ] {
            let call = tokio::spawn(context.call::<()>("run", (way,)));
            gate.arrived(1).await;
            call.abort();
            assert!(within(call).await.unwrap_err().is_cancelled());
            idle(&context).await;
            idle(&helper).await;
            let text = async |context: &Context, name| {
                within(context.call::<String>(name, ())).await.unwrap()
            };
            // A callback is a call of its own: which of the two ends first is not said.
            let mut got: Vec<_> =
                text(&context, "closed").await.split(' ').map(String::from).collect();
            let mut closed: Vec<_> = closed.split(' ').collect();
            if way == "callback" {
                got.sort();
                closed.sort_unstable();
            }
            let got_there = text(&helper, "closed_here").await;
            if got != closed || got_there != closed_there {
                wrong.push(format!("{way}: closed {got:?}, and {got_there:?} in the helper"));
            }
            assert_eq!(within(context.call::<i64>("echo", (3,))).await.unwrap(), 3, "after {way}");
        }
        within(context.close()).await;
        within(helper.close()).await;
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// C-210: what a deadline ends runs its handlers too, and they may still print and call what is ready.
#[tokio::test]
async fn handlers_of_a_call_that_is_ended_may_use_what_is_ready() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let broker = builder()
        .output(move |_, line| {
            sink.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        })
        .build()
        .unwrap();
    let source = "expose('run', function(f)
                    local x <close> = setmetatable({}, {__close = function() print('closed', one()) end})
                    if f then while true do end end
                    never()
                  end)";
    let context = lua(&broker, source).await;
    for loops in [false, true] {
        let call = context.call::<()>("run", (loops,)).deadline(DEADLINE);
        assert_eq!(kind(within(call).await), ErrorKind::Timeout);
        assert_eq!(std::mem::take(&mut *lines.lock().unwrap()), ["closed\t1"], "loops: {loops}");
    }
}

// C-210: the deadline is the chain's: a callee in another context ends with it, also on another worker.
#[tokio::test]
async fn a_deadline_ends_the_whole_chain() {
    for worker in [0, 1] {
        let broker = builder().workers(2).build().unwrap();
        let inner = "expose('loop', function() while true do pcall(function() while true do end end) end end)
                     expose('wait', function() while true do pcall(never) end end)
                     expose('own', function() return 1 end)";
        let inner = named(&broker, "inner", worker, inner).await;
        let outer = "expose('to_loop', function() while true do pcall(loop) end end)
                     expose('to_wait', function() while true do pcall(wait) end end)";
        let outer = lua(&broker, outer).await;
        for name in ["to_loop", "to_wait"] {
            let start = Instant::now();
            let call = outer.call::<()>(name, ()).deadline(DEADLINE);
            assert_eq!(kind(within(call).await), ErrorKind::Timeout);
            assert!(start.elapsed() < DEADLINE + LATE);
            idle(&outer).await;
            idle(&inner).await;
            assert_eq!(within(inner.call::<i64>("own", ())).await.unwrap(), 1);
        }
    }
}

// C-210: neither a caught timeout below nor a deadline of the callee's own context ends the caller.
#[tokio::test]
async fn a_callees_own_deadline_is_an_error_that_the_caller_can_catch() {
    let broker = builder().build().unwrap();
    let limits = Limits::default().deadline(DEADLINE);
    let hasty = broker.open("lua").limits(limits).await.unwrap();
    within(hasty.eval::<()>("expose('slow', function() while true do end end)")).await.unwrap();
    let source = "expose('try', function() local ok, e = pcall(slow) return e.kind .. one() end)";
    let patient = lua(&broker, source).await;
    assert_eq!(within(patient.call::<String>("try", ())).await.unwrap(), "timeout1");
}

// `Limits::memory_bytes`: what runs out of memory is an error; the context and its neighbours go on.
#[tokio::test]
async fn running_out_of_memory_is_an_error_and_the_context_stays_usable() {
    let limits = Limits::default().memory_bytes(8 * MIB).value_bytes(256 * MIB);
    let broker = builder()
        .limits(limits)
        .native("large", |n: usize| "x".repeat(n))
        .native_async("large_list", |n: usize| async move {
            tokio::task::yield_now().await;
            vec![1; n]
        })
        .build()
        .unwrap();
    let context = lua(
        &broker,
        "expose('kept', function() return 'kept' end)
                                expose('take', function(v) return #v end)",
    )
    .await;
    let neighbour = lua(
        &broker,
        "local t = {} for i = 1, 1000 do t[i] = {i} end
                                  expose('check', function() local s = 0
                                    for i, v in ipairs(t) do s = s + v[1] end return s end)",
    )
    .await;
    let mut wrong = Vec::new();
    for source in [
        "local t = {} for i = 1, math.huge do t[i] = i end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} while true do t = {t} end",
        "local t = {} for i = 1, math.huge do t['key' .. i] = true end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1 << 30)",
        "local t = {} while true do t[#t + 1] = function() return t end end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "local t = {} while true do local c = coroutine.wrap(function() coroutine.yield() end) c() t[#t + 1] = c end",
        "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1 << 20) end return table.concat(t)",
        "return large(32 * 1024 * 1024)",
        "return large_list(1024 * 1024)",
        "local t = {} while true do t[#t + 1] = large(100000) end",
        "return #(('x'):rep(1 << 20):gsub('x', ('y'):rep(100)))",
        "local t = {} while true do t[#t + 1] = setmetatable({}, {}) end",
        "coroutine.wrap(function() local t = {} while true do t[#t + 1] = {} end end)()",
        "table.sort({1, 2}, function() local t = {} while true do t[#t + 1] = {} end end)",
        "local x <close> = setmetatable({}, {__close = function() local s = 'x' while true do s = s .. s end end})",
        "return {('x'):rep(6 << 20), ('y'):rep(6 << 20)}",
        "local s = ('x'):rep(7 << 20) return s .. s",
        "return string.format(('%s'):rep(100), table.unpack((function() local t = {}
           for i = 1, 100 do t[i] = ('x'):rep(100000) end return t end)()))",
    ] {
        let start = Instant::now();
        let result = tokio::time::timeout(LATE * 3, context.eval::<Value>(source)).await;
        let result = result.unwrap_or_else(|_| panic!("it hangs: {source}"));
        if !matches!(&result, Err(error) if error.kind() == ErrorKind::Memory) {
            wrong.push(format!("{source}: {result:?}"));
        }
        if start.elapsed() > LATE * 2 {
            wrong.push(format!("{source}: took {:?}", start.elapsed()));
        }
        let kept = within(context.call::<String>("kept", ())).await;
        if !matches!(kept.as_deref(), Ok("kept")) {
            wrong.push(format!("after {source}: {kept:?}"));
        }
        assert_eq!(within(neighbour.call::<i64>("check", ())).await.unwrap(), 500_500);
    }
    // Arguments that are too large for the callee, from the host and from a neighbour.
    let large = "x".repeat(32 * MIB);
    let result = within(context.call::<i64>("take", (large.as_str(),))).await;
    if !matches!(&result, Err(error) if error.kind() == ErrorKind::Memory) {
        wrong.push(format!("a large argument: {result:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let usage = within(context.usage()).await.unwrap();
    assert!(usage.memory_bytes <= 8 * MIB, "{usage:?}");
    // A script can catch it, and go on.
    let source = "local ok, e = pcall(function() local t = {} while true do t[#t + 1] = {} end end)
                  return tostring(e)";
    let text = within(context.eval::<String>(source)).await.unwrap();
    assert!(text.contains("not enough memory"), "{text}");
}

// A context whose limit is too small for anything: errors, no crash.
#[tokio::test]
async fn a_tiny_memory_limit_is_an_error_and_no_crash() {
    let broker = builder().build().unwrap();
    for bytes in [1, 1000, 20_000, 30_000, 40_000, 60_000] {
        let limits = Limits::default().memory_bytes(bytes);
        let Ok(context) = within(broker.open("lua").limits(limits).into_future()).await else {
            continue;
        };
        for source in [
            "return 1",
            "return later('x')",
            "expose('f', function() end)",
            "error({1})",
            "return pcall(fail, 'io', 'x')",
            "print('x')",
            "return coroutine.wrap(function() return one() end)()",
        ] {
            let result = within(context.eval::<Value>(source)).await;
            let fine = match &result {
                Ok(_) => true,
                Err(error) => matches!(
                    error.kind(),
                    ErrorKind::Memory | ErrorKind::Raised | ErrorKind::Unrepresentable
                ),
            };
            assert!(fine, "{result:?} with {bytes} bytes of {source}");
        }
        within(context.close()).await;
    }
}

// C-210: memory that a script keeps on the Rust side counts too.
#[tokio::test]
async fn the_memory_limit_cannot_be_passed_by_what_rust_keeps() {
    let limits = Limits::default().memory_bytes(16 * MIB);
    let broker = builder().limits(limits).build().unwrap();
    let raises = "expose('raise', function(x) error(x, 0) end)
                  expose('raise_table', function(x) error({x, x}) end)";
    let mut wrong = Vec::new();
    for source in [
        "local t = {} for i = 1, 200 do t[i] = select(2, pcall(raise, ('x'):rep(1 << 20))) end",
        "local t = {} for i = 1, 200 do t[i] = select(2, pcall(raise_table, ('x'):rep(1 << 20))) end",
        "local t = {} for i = 1, 200 do t[i] = select(2, pcall(fail, 'raised', ('x'):rep(1 << 20))) end",
        "for i = 1, 200 do expose('flood' .. i, ('x'):rep(1 << 20)) end",
        "for i = 1, 20000 do expose('flood.table' .. i, {{}, {}, {}, {('x'):rep(10000)}}) end",
    ] {
        let context = lua(&broker, "").await;
        let raiser = lua(&broker, raises).await;
        let start = Instant::now();
        let result = within(context.eval::<()>(source)).await;
        if !matches!(&result, Err(error) if error.kind() == ErrorKind::Memory) {
            wrong.push(format!("{source}: {result:?} after {:?}", start.elapsed()));
        }
        within(context.close()).await;
        within(raiser.close()).await;
    }
    assert!(wrong.is_empty(), "{} pass the limit:\n{}", wrong.len(), wrong.join("\n"));
}

// C-108: recursion without end is an error of the script, in Lua as in C.
#[tokio::test]
async fn endless_recursion_is_an_error() {
    let limits = Limits::default().memory_bytes(512 * MIB);
    let broker = builder().limits(limits).build().unwrap();
    let context = lua(&broker, "expose('echo', function(x) return x end)").await;
    for source in [
        "local function r() return 1 + r() end r()",
        "local function r(x) local a, b, c = x, x, x return r(a) .. r(b) end r(1)",
        "local function r() return (coroutine.wrap(r)()) end r()",
        "local function r() return (select(2, r())) end r()",
        "local function r() return (('x'):gsub('x', r)) end r()",
        "local function r() table.sort({2, 1}, r) return 1 end r()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(t) return tostring(t) end return tostring(t)",
        "return load(('('):rep(1000) .. '1' .. (')'):rep(1000))()",
        "return load('return ' .. ('{'):rep(100000))()",
        "local function h(m) return h(m) .. 'x' end xpcall(error, h) error('caught')",
        "local t = {} for i = 1, 10 do t = setmetatable({}, {__index = t, __call = t}) end t()",
        "return string.rep('(', 100):find(('('):rep(100))",
        "return ('x'):rep(300000):find(('x?'):rep(300000))",
        "return table.unpack({}, 1, 1e7)",
        "return ('x'):rep(250000):match(('(.)'):rep(50))",
    ] {
        // Each takes well under a second in stock Lua; twice, since the first leaves its stack behind.
        for _ in 0..2 {
            let call = tokio::time::timeout(LATE * 4, context.eval::<Value>(source)).await;
            let error =
                call.unwrap_or_else(|_| panic!("it takes too long: {source}")).expect_err(source);
            let expected = matches!(error.kind(), ErrorKind::Raised | ErrorKind::Memory);
            assert!(expected, "{error:?} of {source}");
        }
        assert_eq!(within(context.call::<i64>("echo", (1,))).await.unwrap(), 1, "after {source}");
    }
    let source = "local function r() return 1 + r() end local ok, e = pcall(r) return e";
    let text = within(context.eval::<String>(source)).await.unwrap();
    assert!(text.contains("stack overflow"), "{text}");
}

// C-060, C-108: nesting in C as deep as Lua allows, with a wait and a native at its end, and many at once.
#[tokio::test]
async fn deep_nesting_in_c_does_not_crash_the_process() {
    let broker = builder()
        .native("hungry", || {
            // What a native of the host may well need of the stack.
            let mut room = [0_u8; 64 << 10];
            std::hint::black_box(&mut room);
            i64::from(room[100])
        })
        .build()
        .unwrap();
    let context = lua(&broker, "").await;
    let nestings = [
        "local r ('x'):gsub('x', function() r = down(n - 1) end) return r",
        "local r table.sort({2, 1}, function() r = r or down(n - 1) return false end) return r",
        "local ok, r = pcall(down, n - 1) if not ok then error(r, 0) end return r",
        "local ok, r = xpcall(down, function(m) return m end, n - 1) if not ok then error(r, 0) end return r",
        "local ok, r = xpcall(error, function() return down(n - 1) end) return r",
        "return setmetatable({}, {__index = function() return down(n - 1) end}).x",
        "return setmetatable({}, {__add = function() return down(n - 1) end}) + 1",
        "local r local x = setmetatable({}, {__eq = function() r = down(n - 1) return true end})
         local _ = x == setmetatable({}, getmetatable(x)) return r",
        "local r tostring(setmetatable({}, {__tostring = function() r = down(n - 1) return '' end})) return r",
        "local r ('%s%s'):format(1, setmetatable({}, {__tostring = function() r = down(n - 1) return '' end})) return r",
        "local r load(function() r = r or down(n - 1) return nil end) return r",
        "local r load('local function f() do local function g() do return ' .. ('('):rep(20) .. '1' .. (')'):rep(20)
           .. ' end end end end', 'x') r = down(n - 1) return r",
        "return load('local down, n = ... return (down(n - 1))')(down, n)",
        "return coroutine.wrap(function() return down(n - 1) end)()",
        "local co = coroutine.create(down) local ok, r = coroutine.resume(co, n - 1) return r",
        "local r do local x <close> = setmetatable({}, {__close = function() r = down(n - 1) end}) end return r",
        "return table.concat({setmetatable({}, {__index = function() return down(n - 1) end}).x}) + 0",
        "local r table.unpack(setmetatable({}, {__index = function() r = r or down(n - 1) return 1 end}), 1, 2) return r",
    ];
    for nesting in nestings {
        let source = format!(
            "local top = 0
             local function run(depth)
               local down
               function down(n)
                 if n == 0 then return later(21) + hungry() + id(21) end
                 {nesting}
               end
               return down(depth)
             end
             -- As deep as it goes, then a call that ends well.
             local ok, e = pcall(run, 1000)
             for depth = 10, 190, 20 do
               local ok, r = pcall(run, depth)
               if ok and r == 42 then top = depth end
             end
             return top"
        );
        let calls = (0..3).map(|_| context.eval::<i64>(&source).deadline(TIMEOUT / 2));
        let reached = within(try_join_all(calls)).await;
        let reached = reached.unwrap_or_else(|error| panic!("{error:?} in {nesting}"));
        assert!(reached.iter().all(|depth| *depth >= 30), "only {reached:?} deep in {nesting}");
    }
    // Natives that call back: each level is a call of its own, bounded by the depth.
    let source =
        "local function down(n) if n == 0 then return later(42) end return apply(down, n - 1) end
                  expose('down', down) return down(100)";
    assert_eq!(within(context.eval::<i64>(source)).await.unwrap(), 42);
    let source = "local function down(n) local r ('x'):gsub('x', function()
                    if n == 0 then r = later(42) else r = apply(down, n - 1) end end) return r end return down(100)";
    assert_eq!(within(context.eval::<i64>(source)).await.unwrap(), 42);
}

// The exclusive turn, first rule of engines.md: no update is lost between two waits.
#[tokio::test]
async fn overlapping_calls_lose_no_update() {
    const STEPS: i64 = 60_000;
    let broker = builder().limits(Limits::default().slice(SLICE)).build().unwrap();
    let source = "local n, m = 0, 0
        local function lua_one() return 1 end
        local co = coroutine.wrap(function() while true do coroutine.yield(1) end end)
        expose('count', function(steps)
          for i = 1, steps do
            n = n + one()
            m = m + lua_one()
            if i % 20 == 0 then n = n + co() - 1 end
          end
        end)
        expose('counted', function() return {n, m} end)";
    let context = lua(&broker, source).await;
    let hog = lua(&broker, "expose('hog', function() while true do end end)").await;
    let hog = tokio::spawn(hog.call::<()>("hog", ()).deadline(TIMEOUT));
    let calls = (0..3).map(|_| context.call::<()>("count", (STEPS,)));
    within(try_join_all(calls)).await.unwrap();
    let counted: Vec<i64> = within(context.call("counted", ())).await.unwrap();
    assert_eq!(counted, [3 * STEPS, 3 * STEPS]);
    hog.abort();
}

// C-117: a script that computes lets the other contexts of its worker in.
#[tokio::test]
async fn a_hog_does_not_keep_its_neighbours_waiting() {
    let gate = Gate::default();
    let runs = gate.clone();
    let broker = builder().native("run_here", move || runs.announce()).build().unwrap();
    let hogs: Vec<_> = join_all((0..3).map(|_| async { lua(&broker, "").await })).await;
    let mut running = Vec::new();
    for hog in &hogs {
        let call =
            hog.eval::<()>("run_here() while true do pcall(function() while true do end end) end");
        running.push(tokio::spawn(call));
        gate.arrived(1).await;
    }
    let neighbour =
        lua(&broker, "expose('nap_a_little', function(x) return nap(100, x) end)").await;
    for i in 0..10 {
        let start = Instant::now();
        assert_eq!(within(neighbour.call::<i64>("nap_a_little", (i,))).await.unwrap(), i);
        assert!(start.elapsed() < LATE, "it took {:?}", start.elapsed());
    }
    running.iter().for_each(tokio::task::JoinHandle::abort);
    for hog in &hogs {
        idle(hog).await;
    }
}

// C-210: dropped, timed out, failed and good calls in a heap: every good one is right, nothing is left.
#[tokio::test]
async fn cancelled_calls_among_good_ones_leave_no_trace() {
    let broker = builder().limits(Limits::default().slice(SLICE)).build().unwrap();
    let source = "expose('work', function(i)
          local sum = 0
          for v in coroutine.wrap(function() for k = 1, 5 do coroutine.yield(nap(i * 137 % 900, k)) end end) do
            sum = sum + v
          end
          local t = {3, 1, 2}
          table.sort(t, function(a, b) return later(a) < later(b) end)
          return sum * 1000 + t[1] * 100 + t[2] * 10 + t[3] + i * 100000
        end)
        expose('hog', function() while true do pcall(function()
          local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end end) end end)
        expose('bad', function(i) error({i}) end)";
    let context = lua(&broker, source).await;
    let before = within(context.usage()).await.unwrap();
    let calls = (0..600_i64).map(|i| {
        let context = context.clone();
        async move {
            match i % 6 {
                0 => {
                    let after = Duration::from_micros(u64::try_from(i * 31 % 3000).unwrap());
                    let result = context.call::<i64>("work", (i,)).deadline(after).await;
                    assert!(
                        matches!(&result, Err(e) if e.kind() == ErrorKind::Timeout)
                            || matches!(result, Ok(n) if n == 15_123 + i * 100_000),
                        "{result:?}"
                    );
                }
                1 => {
                    let after = Duration::from_micros(u64::try_from(i * 17 % 2000).unwrap());
                    let _ = tokio::time::timeout(after, context.call::<i64>("work", (i,))).await;
                }
                2 if i % 60 == 2 => {
                    let call = context.call::<()>("hog", ()).deadline(Duration::from_millis(3));
                    assert_eq!(kind(call.await), ErrorKind::Timeout);
                }
                3 => assert_eq!(kind(context.call::<()>("bad", (i,)).await), ErrorKind::Raised),
                _ => {
                    let result: calog::Result<i64> = context.call("work", (i,)).await;
                    assert_eq!(result.unwrap(), 15_123 + i * 100_000, "call {i}");
                }
            }
        }
    });
    within(join_all(calls)).await;
    idle(&context).await;
    let after = within(context.usage()).await.unwrap();
    assert_eq!((after.calls, after.handles), (0, before.handles));
}

// A Lua thread is made for each call that is in flight. Those of calls that have ended serve again, as
// long as so many are needed and the memory has room.
#[tokio::test]
async fn lua_threads_are_kept_while_calls_need_them_and_there_is_room() {
    const CALLS: usize = 600;
    /// Less than so many threads take, and more than a state takes that has few.
    const MANY: usize = 400 << 10;
    for (limit, are_kept) in [(64 << 20, true), (2 << 20, false)] {
        let gate = Gate::default();
        let pass = gate.clone();
        let broker = builder().native_async("pass", move || pass.pass()).build().unwrap();
        let limits = Limits::default().memory_bytes(limit);
        let context = broker.open("lua").limits(limits).await.unwrap();
        let source = "expose('wait', function() pass() end) expose('nothing', function() end)
            expose('litter', function() local t for i = 1, 100000 do t = {i} end end)";
        within(context.eval::<()>(source)).await.unwrap();
        let memory = async || {
            within(context.call::<()>("litter", ())).await.unwrap();
            within(context.usage()).await.unwrap().memory_bytes
        };
        let calls = join_all((0..CALLS).map(|_| context.call::<()>("wait", ())));
        let opens = async {
            gate.arrived(CALLS as u32).await;
            gate.open(CALLS);
        };
        let (results, ()) = within(async { tokio::join!(calls, opens) }).await;
        assert!(results.iter().all(Result::is_ok));
        let kept = memory().await;
        assert_eq!(kept > MANY, are_kept, "{kept} bytes of {limit}");
        // Nobody needs so many any more.
        for _ in 0..3000 {
            within(context.call::<()>("nothing", ())).await.unwrap();
        }
        let left = memory().await;
        assert!(left < MANY, "{left} bytes of {limit}");
    }
}
