//! Many rounds of calls between many contexts in both languages, in a random mix that can be
//! computed again: plain calls, promises, callbacks, functions as results, errors, and calls that
//! are given up. Nothing here looks at a clock: what waits does so for a number of turns.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Call, Context, Error, ErrorKind, Limits, Rest, Result, Value};
use futures::future::{Either, join_all, select, try_join_all};
use js_support::*;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::task::yield_now;

const CONTEXTS: i64 = 8;
const ROUNDS: i64 = 200;
const CALLS: i64 = 24;
const DEPTH: i64 = 3;

/// The generator of all randomness here; every language computes it exactly.
fn next(x: i64) -> i64 {
    x * 16_807 % 2_147_483_647
}

/// What `work(x, depth)` results in, in every language.
fn wanted(x: i64, depth: i64) -> i64 {
    let x = next(x);
    let y = next(x);
    let below = |x| if depth > 0 { wanted(x, depth - 1) } else { x % 1000 };
    match x % 9 {
        0 => x % 1000,
        1 => below(y) + 1,
        2 => (below(y) + 2 * below(next(y))) % 100_000,
        3 => 2 * (y % 100) + 1,
        4 => y % 100 + 7,
        5 => x % 100 + 1 + 2 * (y % 50),
        6 => (1..=3).map(|i| below(x + i)).sum::<i64>() % 100_000,
        7 => below(next(y)) + 3,
        _ => 11 + y % 10,
    }
}

/// `work` in Lua, for context number `me`.
fn lua_source(me: i64) -> String {
    format!(
        "local function nx(x) return x * 16807 % 2147483647 end
         local function other(x, name) return 'c' .. x % {CONTEXTS} .. '.' .. name end
         local function step(x, depth)
           local y = nx(x)
           local function below(x)
             if depth == 0 then return wait(x % 5, x % 1000) end
             return call(other(x, 'work'), x, depth - 1)
           end
           local op = x % 9
           if op == 0 then return wait(x % 13, x % 1000)
           elseif op == 1 then return below(y) + 1
           elseif op == 2 then return (below(y) + 2 * below(nx(y))) % 100000
           elseif op == 3 then
             return call(other(y, 'apply'), function(v) return wait(v % 7, v * 2 + 1) end, y % 100)
           elseif op == 4 then
             local ok, e = pcall(call, other(y, 'refuse'), y % 100)
             assert(not ok and e.kind == 'raised' and e.message == 'refused', tostring(e))
             return e.payload.code + 7
           elseif op == 5 then
             local add = call(other(y, 'make'), y % 50)
             return add(x % 100) + add(1)
           elseif op == 6 then
             local sum = 0
             for v in coroutine.wrap(function()
               for i = 1, 3 do coroutine.yield(below(x + i)) end
             end) do sum = sum + v end
             return sum % 100000
           elseif op == 7 then
             local r
             table.sort({{2, 1}}, function(a, b) r = r or below(nx(y)) return a < b end)
             return r + 3
           else
             local ok, e = pcall(fails, x % 5, 'busy')
             assert(not ok and e.kind == 'busy', tostring(e))
             return 11 + y % 10
           end
         end
         local function work(x, depth)
           enter()
           local left <close> = setmetatable({{}}, {{__close = leave}})
           return step(nx(x), depth)
         end
         expose('c{me}.work', work)
         expose('c{me}.apply', function(f, v) wait(v % 3, 0) return f(v) end)
         expose('c{me}.refuse', function(c) wait(c % 4, 0) error({{message = 'refused',
           code = c}}) end)
         expose('c{me}.make', function(k) return function(v) return wait(k % 3, v + k) end end)"
    )
}

/// The same in JavaScript, in plain form or with promises.
fn js_source(me: i64, is_async: bool) -> String {
    let (later, awaits, star) = match is_async {
        false => ("", "", "function*"),
        true => ("async", "await", "async function*"),
    };
    // How a calog function is called: `f(x)` or `await f.async(x)`.
    let f = if is_async { ".async" } else { "" };
    let add = if is_async { "add.async ?? add" } else { "add" };
    let both = match is_async {
        false => "const a = below(y), b = below(nx(y));",
        true => "const [a, b] = await Promise.all([below(y), below(nx(y))]);",
    };
    format!(
        "const nx = x => x * 16807 % 2147483647;
         const other = (x, name) => `c${{x % {CONTEXTS}}}.${{name}}`;
         const check = (good, e) => {{ if (!good) throw new Error('wrong: ' + e); }};
         {later} function step(x, depth) {{
           const y = nx(x);
           const plain = x => depth === 0
             ? wait(x % 5, x % 1000) : call(other(x, 'work'), x, depth - 1);
           const below = {later} x => depth === 0
             ? {awaits} wait{f}(x % 5, x % 1000) : {awaits} call{f}(other(x, 'work'), x, depth - 1);
           switch (x % 9) {{
             case 0: return {awaits} wait{f}(x % 13, x % 1000);
             case 1: return ({awaits} below(y)) + 1;
             case 2: {{ {both} return (a + 2 * b) % 100000; }}
             case 3: {{
               const f = {later} v => {awaits} wait{f}(v % 7, v * 2 + 1);
               return {awaits} call{f}(other(y, 'apply'), f, y % 100);
             }}
             case 4:
               try {{ {awaits} call{f}(other(y, 'refuse'), y % 100); }} catch (e) {{
                 check(e.kind === 'raised' && e.message === 'refused', e);
                 check(e.code === e.payload.code, e.code);
                 return e.code + 7;
               }}
               break;
             case 5: {{
               const add = {awaits} call{f}(other(y, 'make'), y % 50);
               // One's own function comes back as itself, without another form.
               const f = {add};
               return ({awaits} f(x % 100)) + ({awaits} f(1));
             }}
             case 6: {{
               let sum = 0;
               const g = {star} () {{ for (let i = 1; i < 4; i++) yield {awaits} below(x + i); }};
               for {awaits} (const v of g()) sum += v;
               return sum % 100000;
             }}
             case 7: {{
               let r;
               [2, 1].sort((a, b) => {{ r ??= plain(nx(y)); return a - b; }});
               return r + 3;
             }}
             case 8:
               try {{ {awaits} fails{f}(x % 5, 'busy'); }} catch (e) {{
                 check(e.kind === 'busy', e);
                 return 11 + y % 10;
               }}
           }}
           throw new Error('nothing was thrown');
         }}
         {later} function work(x, depth) {{
           enter();
           try {{ return {awaits} step(nx(x), depth); }} finally {{ leave(); }}
         }}
         expose('c{me}.work', work);
         expose('c{me}.apply', {later} (f, v) => {{ {awaits} wait{f}(v % 3, 0);
           return {awaits} f(v); }});
         expose('c{me}.refuse', {later} c => {{
           {awaits} wait{f}(c % 4, 0);
           throw Object.assign(new Error('refused'), {{ code: c }});
         }});
         expose('c{me}.make', k => {later} v => {awaits} wait{f}(k % 3, v + k));"
    )
}

/// Four contexts of each language on two workers, and the number of `work`s that are under way.
async fn contexts() -> (Broker, Vec<Context>, Arc<AtomicI64>) {
    let open = Arc::new(AtomicI64::new(0));
    let (enter, leave) = (open.clone(), open.clone());
    let turns = |steps: u64| async move {
        for _ in 0..steps {
            yield_now().await;
        }
    };
    // No script is preempted: one of JavaScript that is given up just then ends without its `finally`.
    let slice = Duration::from_secs(60);
    let broker = builder()
        .workers(2)
        .limits(Limits::default().slice(slice))
        .native("enter", move || enter.fetch_add(1, SeqCst))
        .native("leave", move |_: Rest<Value>| leave.fetch_sub(1, SeqCst))
        .native_async("wait", move |steps: u64, v: i64| async move {
            turns(steps).await;
            v
        })
        .native_async("fails", move |steps: u64, kind: String| async move {
            turns(steps).await;
            Err::<(), _>(Error::new(kind.parse()?, "on purpose"))
        })
        .build()
        .unwrap();
    let mut contexts = Vec::new();
    for me in 0..CONTEXTS {
        contexts.push(opened(&broker, me).await);
    }
    (broker, contexts, open)
}

/// Context number `me`.
async fn opened(broker: &Broker, me: i64) -> Context {
    let worker = usize::try_from(me / 2 % 2).unwrap();
    match me % 2 {
        0 => named(broker, "lua", worker, &lua_source(me)).await,
        _ => js_named(broker, "js", worker, &js_source(me, me % 4 == 1)).await,
    }
}

/// Gives `call` up after `turns` turns, unless it has ended.
async fn give_up_after(call: Call<i64>, turns: i64) -> Option<Result<i64>> {
    let patience = async {
        for _ in 0..turns {
            yield_now().await;
        }
    };
    match select(call, pin!(patience)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Waits until no context has anything under way.
async fn idle(contexts: &[Context]) {
    for context in contexts {
        at_rest(context).await;
    }
}

// C-110, C-111, C-176, C-210: no wrong result, no hang, nothing left behind.
#[tokio::test]
async fn two_hundred_rounds_of_a_random_mix_in_both_languages() {
    let (_broker, contexts, open) = contexts().await;
    let mut handles = Vec::new();
    for context in &contexts {
        handles.push(context.usage().await.unwrap().handles);
    }
    let (mut seed, mut ended, mut given_up) = (42, 0, 0);
    for round in 0..ROUNDS {
        let calls = (0..CALLS).map(|n| {
            seed = next(seed);
            let (x, context) = (seed, usize::try_from(seed / 7 % CONTEXTS).unwrap());
            let name = format!("c{context}.work");
            let call = contexts[context].call::<i64>(&name, (x, DEPTH));
            // Every fourth call is given up, sooner or later.
            let turns = if n % 4 == 3 { seed / 11 % 400 } else { i64::MAX };
            async move { (x, context, give_up_after(call, turns).await) }
        });
        let calls: Vec<_> = calls.collect();
        for (x, context, result) in within(join_all(calls)).await {
            match result {
                Some(result) => {
                    let result = result.unwrap_or_else(|e| panic!("round {round}, {x}: {e:?}"));
                    assert_eq!(result, wanted(x, DEPTH), "round {round}, {x} of c{context}");
                    ended += 1;
                }
                None => given_up += 1,
            }
        }
        if round % 20 == 19 {
            idle(&contexts).await;
            assert_eq!(open.load(SeqCst), 0, "a script was not unwound by round {round}");
        }
    }
    // Neither all nor none of those that could be given up were.
    assert!(ended > ROUNDS * CALLS * 3 / 4 && given_up > ROUNDS, "{ended}, {given_up}");
    idle(&contexts).await;
    assert_eq!(open.load(SeqCst), 0);
    // Callbacks that crossed are garbage of their receivers now: churn until they are collected.
    within(async {
        for (context, handles) in contexts.iter().zip(handles) {
            while context.usage().await.unwrap().handles > handles {
                let churn = contexts.iter().enumerate().map(|(n, context)| match n % 2 {
                    0 => context.eval::<Value>("local t for i = 1, 20000 do t = {i} end"),
                    _ => context.eval::<Value>(
                        "for (let i = 0; i < 20000; i++) { const o = {}; o.o = o; } null",
                    ),
                });
                try_join_all(churn).await.unwrap();
            }
            assert_eq!(context.usage().await.unwrap().handles, handles, "of {context:?}");
        }
    })
    .await;
}

// C-107, C-137: the same while contexts close in the middle of it and others take their place.
// A call is answered with the right result or with an error that says why there is none.
#[tokio::test]
async fn rounds_in_which_contexts_close_and_open_again() {
    let (broker, mut contexts, _) = contexts().await;
    let (mut seed, mut right, mut refused) = (4711, 0, 0);
    for round in 0..60 {
        let calls = (0..CALLS).map(|_| {
            seed = next(seed);
            let (x, context) = (seed, usize::try_from(seed / 7 % CONTEXTS).unwrap());
            let call = contexts[context].call::<i64>(&format!("c{context}.work"), (x, DEPTH));
            async move { (x, call.await) }
        });
        let calls = join_all(calls.collect::<Vec<_>>());
        seed = next(seed);
        let (turns, victim) = (seed / 13 % 200, usize::try_from(seed % CONTEXTS).unwrap());
        let closing = async {
            for _ in 0..turns {
                yield_now().await;
            }
            contexts[victim].close().await;
        };
        let (results, ()) = within(futures::future::join(calls, closing)).await;
        for (x, result) in results {
            match result {
                Ok(result) => {
                    assert_eq!(result, wanted(x, DEPTH), "round {round}, {x}");
                    right += 1;
                }
                Err(error) => {
                    // `raised`: a script wondered about another error than the one it was to get.
                    let kinds = [ErrorKind::Dead, ErrorKind::NotFound, ErrorKind::Raised];
                    assert!(kinds.contains(&error.kind()), "round {round}, {x}: {error:?}");
                    refused += 1;
                }
            }
        }
        contexts[victim] = opened(&broker, i64::try_from(victim).unwrap()).await;
    }
    assert!(right > 0 && refused > 0, "{right}, {refused}");
    idle(&contexts).await;
    within(broker.shutdown(TIMEOUT)).await.unwrap();
}
