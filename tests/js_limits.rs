//! JavaScript that does not end, that eats memory or stack, that tampers with its own library, and
//! callers that go away: the service goes on.

#![cfg(all(feature = "lua", feature = "js"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Context, ErrorKind, Limits, Result, Value};
use futures::future::{join_all, try_join_all};
use js_support::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const SLICE: Duration = Duration::from_micros(300);
const MIB: usize = 1 << 20;

/// The deadline of the runaways.
const DEADLINE: Duration = Duration::from_millis(60);

/// Bodies of async functions that never end, each in its own way.
const RUNAWAYS: &[&str] = &[
    // Plain loops.
    "for (;;);",
    "for (const x of (function* () { for (;;) yield 1 })());",
    "for (const k in new Proxy({}, { ownKeys() { for (;;); } }));",
    // Loops that catch what ends them.
    "for (;;) { try { for (;;); } catch {} }",
    "for (;;) { try { for (;;); } finally { continue } }",
    "const f = () => { try { for (;;); } finally { f() } }; f()",
    "for (;;) { try { throw 1 } catch {} }",
    "for (;;) { try { null.x } catch (e) { e.stack } }",
    "for (;;) { try { fail('io', 'x') } catch {} }",
    // Generators and iterators.
    "const g = (function* () { try { for (;;) yield 1 } finally { for (;;); } })(); g.next(); g.return()",
    "for (const x of { [Symbol.iterator]() { return { next: () => ({}), return() { for (;;); } } } }) break",
    "for await (const x of (async function* () { for (;;) yield 1 })());",
    "for await (const x of (async function* () { for (;;) yield later.async(1) })());",
    "Iterator.from({ next: () => ({ done: false }) }).drop(Infinity).next()",
    // Callbacks of the library.
    "[3, 1, 2].sort(() => { for (;;); })",
    "for (;;) { try { [3, 1, 2].sort(() => { for (;;); }) } catch {} }",
    "'x'.replace(/x/, () => { for (;;); })",
    "JSON.stringify({ toJSON() { for (;;); } })",
    "Array.from({ length: 1e9, get 0() { for (;;); } })",
    "class A { static { for (;;); } }",
    "(0, eval)('for (;;);')",
    "/^(?:a+)+$/.test('a'.repeat(40) + 'b')",
    "for (;;) { try { /^(?:a+)+$/.test('a'.repeat(40) + 'b') } catch {} }",
    // Getters, conversions, traps.
    "({ get x() { for (;;); } }).x",
    "`${{ toString() { for (;;); } }}`",
    "'' + { [Symbol.toPrimitive]() { for (;;); } }",
    "new Proxy({}, { get() { for (;;); } }).x",
    "'x' in new Proxy({}, { has() { for (;;); } })",
    "new Proxy(() => {}, { apply() { for (;;); } })()",
    "id({ get x() { for (;;); } })",
    "id([1, new Proxy([], { get() { for (;;); } })])",
    "id(new Proxy({}, { ownKeys() { for (;;); } }))",
    "for (;;) { try { id({ get x() { throw 1 } }) } catch {} }",
    "throw { get message() { for (;;); } }",
    "throw Object.assign(new Error('x'), { get y() { for (;;); } }), new (class extends Error { get name() { for (;;); } })()",
    "return { get x() { for (;;); } }",
    "return new Proxy([], { get(t, k) { if (k === 'length') for (;;); } })",
    // Promises.
    "for (;;) await null",
    "for (;;) { try { await Promise.reject(1) } catch {} }",
    "const f = () => Promise.resolve().then(f); await f()",
    "const f = async () => { await null; return f() }; await f()",
    "const p = { then(r) { r(p) } }; await p",
    "await { then() { for (;;); } }",
    "await new Promise(() => { for (;;); })",
    "for (let i = 0; i < 2000; i++) await null; for (;;);",
    "for (let i = 0; i < 2000; i++) await null; for (;;) later(1)",
    "await later.async(1); for (;;);",
    "await later.async(1); for (;;) later(1)",
    "for (;;) await later.async(1)",
    "for (;;) { try { await later.async(1) } catch {} }",
    "for (;;) { try { await fail_later.async('io', 'x') } catch {} }",
    "try { await never.async() } finally { for (;;); }",
    "try { await never.async() } finally { for (;;) { try { await never.async() } catch {} } }",
    "try { await never.async() } finally { for (;;) { try { await null } catch {} } }",
    "Promise.resolve().then(() => { for (;;); }); await never.async()",
    "await Array.fromAsync({ [Symbol.asyncIterator]: () => ({ next: () => ({ value: 1 }) }) })",
    // Timers.
    "setTimeout(() => { for (;;); }, 1); await never.async()",
    "setTimeout(() => { for (;;) later(1) }, 1); await never.async()",
    "const f = () => setTimeout(f, 0); f(); await never.async()",
    "setInterval(() => { later(1) }, 1); never()",
    "const f = () => setTimeout(() => { try { f() } finally { later(1) } }, 0); f(); never()",
    // Natives, callbacks and other calls.
    "never()",
    "await never.async()",
    "for (;;) one()",
    "for (;;) { try { never() } catch {} }",
    "for (;;) { try { later(1) } finally { continue } }",
    "try { never() } finally { never() }",
    "try { never() } finally { for (;;) { try { never() } catch {} } }",
    "apply(() => { for (;;); })",
    "apply(async () => { for (;;); })",
    "apply(async () => { await later.async(1); for (;;); })",
    "await apply.async(async () => { for (;;) await null })",
    "for (;;) { try { apply(() => { throw 1 }) } catch {} }",
    "for (;;) { try { other_loop() } catch {} }",
    "await other_loop.async()",
    "for (;;) { try { call('nobody') } catch {} }",
    "for (;;) expose('again', () => 1)",
    "for (;;) print('x')",
    // What takes long between two looks of the interpreter.
    "const s = 'x'.repeat(1e5); for (;;) id(s)",
    "const a = Array(1000).fill({ b: 1 }); for (;;) id(a)",
    "const s = 'x'.repeat(1e5); for (;;) { try { await id.async(s) } catch {} }",
    // Memory and stack in loops that catch the end of it.
    "const r = () => { r() }; for (;;) { try { r() } catch {} }",
    "const o = { get x() { return this.x } }; for (;;) { try { o.x } catch {} }",
];

/// A call that is buried in itself as deep as calls may go.
const BURIED: &str = "const f = () => { for (;;) { try { apply(f) } catch {} } }; f()";

/// The same, with code of the script that QuickJS calls while it makes the error that ends it.
const SIDE_DOORS: &[&str] = &[
    "Error.prepareStackTrace = () => { for (;;); }; for (;;) { try { null.x } catch {} }",
    "Error.prepareStackTrace = () => { for (;;); }; for (;;) { try { await Promise.reject(1) } catch {} }",
    "const f = () => { for (;;); }; Error.prepareStackTrace = () => { queueMicrotask(f) }; f()",
    "Error.prepareStackTrace = () => { throw 1 }; for (;;) { try { for (;;); } catch {} }",
];

/// What innocent calls of the same context do meanwhile: they wait, in both ways, or are short.
const INNOCENT: &str = "
    const body = i => { const t = [i, i, i]; const r = wait_here(i); return r + t[0] + t[1] + t[2] };
    const soon = async i => { const t = [i, i, i]; const r = await wait_here.async(i); await null;
      return r + t[0] + t[1] + t[2] };
    expose('plain', body);
    expose('sorts', i => { let r; [2, 1].sort(() => { r ??= body(i); return 0 }); return r });
    expose('gets', i => ({ get x() { return body(i) } }).x);
    expose('ends', i => { try { return 0 } finally { return body(i) } });
    expose('soon', soon);
    expose('all', async i => (await Promise.all([soon(i), 1]))[0]);
    expose('later_on', i => new Promise((ok, no) => setTimeout(() => soon(i).then(ok, no), 1)));
    expose('sum', n => { let s = 0; for (let i = 1; i <= n; i++) s += i; return s });
    expose('echo', async x => { await later.async(1); return x });
    const Body = (async () => {}).constructor;
    expose('play', source => new Body(source)());";

/// Those that wait in the middle of something, and those that only left a promise.
const WAITING: [&str; 4] = ["plain", "sorts", "gets", "ends"];
const PROMISING: [&str; 3] = ["soon", "all", "later_on"];

/// How a test reaches a function of the context: as a root, which enters when nothing is inside, or
/// through another context, so that it enters above what waits.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Straight,
    Relayed,
}

/// A context with innocent calls that wait, one that loops, and one to call through.
struct Arena {
    broker: Broker,
    gate: Gate,
    context: Context,
    other: Context,
    relay: Context,
}

impl Arena {
    async fn new(limits: &Limits) -> Self {
        let gate = Gate::default();
        let pass = gate.clone();
        let broker = builder()
            .limits(limits.clone().memory_bytes(16 * MIB))
            .native_async("wait_here", move |v: Value| {
                let pass = pass.pass();
                async move {
                    pass.await;
                    v
                }
            })
            .build()
            .unwrap();
        let loops = "expose('other_loop', () => { for (;;) { try { for (;;); } catch {} } })";
        let other = js_named(&broker, "other", 0, loops).await;
        let context = js_named(&broker, "js", 0, INNOCENT).await;
        let relay = lua(&broker, "expose('relay', function(f, ...) return call(f, ...) end)").await;
        Self { broker, gate, context, other, relay }
    }

    fn call<T: calog::FromValue>(&self, way: Way, name: &str, arg: Value) -> calog::Call<T> {
        match way {
            Way::Straight => self.context.call(name, (arg,)),
            Way::Relayed => self.relay.call("relay", (name, arg)),
        }
    }

    /// Runs `source` under a deadline, in the midst of innocent calls of the same context.
    ///
    /// # Errors
    /// What was wrong.
    async fn run(&self, way: Way, source: &str) -> std::result::Result<(), String> {
        let gate = &self.gate;
        let names: Vec<&str> = match way {
            // What waits in the middle of something keeps roots out.
            Way::Straight => PROMISING.to_vec(),
            Way::Relayed => [PROMISING.as_slice(), &WAITING].concat(),
        };
        let waiting: Vec<_> =
            names.iter().map(|name| tokio::spawn(self.call::<i64>(way, name, 7.into()))).collect();
        gate.arrived(u32::try_from(names.len()).unwrap()).await;
        let start = Instant::now();
        let runaway = self.call::<Value>(way, "play", source.into()).deadline(DEADLINE);
        let sum = self.call::<i64>(way, "sum", 100_000.into());
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
        let echo = tokio::time::timeout(2 * LATE, self.call::<i64>(way, "echo", 5.into())).await;
        let echo = echo.map_err(|_| "the context hangs afterwards".to_string())?;
        if !matches!(echo, Ok(5)) || start.elapsed() > LATE {
            wrong.push(format!("the next call gave {echo:?} after {:?}", start.elapsed()));
        }
        gate.open(names.len());
        for (name, call) in names.iter().zip(waiting) {
            let result = within(call).await.unwrap();
            if !matches!(result, Ok(28)) {
                wrong.push(format!("{name} gave {result:?}"));
            }
        }
        if !quiet_again(&self.context).await {
            let usage = self.context.usage().await;
            wrong.push(format!("something of it is left: {usage:?}"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n    ")) }
    }
}

/// Waits until nothing is left to do in `context`; `false` if that takes too long.
async fn quiet_again(context: &Context) -> bool {
    let quiet = async {
        while context.usage().await.is_ok_and(|usage| usage.calls + usage.tasks > 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LATE, quiet).await.is_ok()
}

/// The runaways in one context: those after the first meet what the ones before have left.
async fn run_all_away(limits: Limits, way: Way, runaways: &[&str]) {
    let mut arena = Arena::new(&limits).await;
    let mut wrong = Vec::new();
    for source in runaways {
        if let Err(problem) = arena.run(way, source).await {
            wrong.push(format!("{source}\n    {problem}"));
            // Its worker may be lost: the others get a new one.
            arena = Arena::new(&limits).await;
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for context in [arena.context, arena.other] {
        let usage = within(context.usage()).await.unwrap();
        assert_eq!((usage.calls, usage.tasks), (0, 0));
    }
    within(arena.broker.shutdown(TIMEOUT)).await.unwrap();
}

// C-210, Z-033 to Z-035: every runaway ends soon after its deadline, nobody else feels it, and
// nothing of it lives on.
#[tokio::test]
async fn every_runaway_ends_at_its_deadline_and_harms_no_innocent_call() {
    run_all_away(Limits::default(), Way::Straight, RUNAWAYS).await;
}

// The same above calls that wait in the middle of sorts, getters and finally blocks.
#[tokio::test]
async fn every_runaway_ends_above_calls_that_wait() {
    run_all_away(Limits::default(), Way::Relayed, RUNAWAYS).await;
}

// The same while everything is preempted as often as can be.
#[tokio::test]
async fn every_runaway_ends_under_the_shortest_slice_too() {
    run_all_away(Limits::default().slice(SLICE), Way::Relayed, RUNAWAYS).await;
}

// C-210: what lies on top of a hundred calls that were given up does not hold them up.
#[tokio::test]
async fn a_call_that_is_buried_in_itself_ends_at_its_deadline() {
    run_all_away(Limits::default(), Way::Straight, &[BURIED]).await;
}

// C-210: nothing that runs while a script is being ended can save it.
#[tokio::test]
async fn every_runaway_ends_whatever_runs_at_its_end() {
    run_all_away(Limits::default(), Way::Straight, SIDE_DOORS).await;
}

// C-210: a chain of jobs too short to be looked at one by one must not outlive its call.
#[tokio::test]
async fn a_chain_of_microtasks_ends_with_its_call() {
    for source in [
        "const f = () => { queueMicrotask(f) }; f(); never()",
        "const f = () => { queueMicrotask(f) }; f(); await never.async()",
        "const f = () => { queueMicrotask(f) }; for (let i = 0; i < 100; i++) f(); never()",
        "try { never() } finally { queueMicrotask(function f() { queueMicrotask(f) }) }",
    ] {
        let broker = builder().build().unwrap();
        let context = js_named(&broker, "js", 0, INNOCENT).await;
        let call = context.call::<Value>("play", (source,)).deadline(DEADLINE);
        assert_eq!(kind(within(call).await), ErrorKind::Timeout, "{source}");
        assert!(quiet_again(&context).await, "it goes on: {source}");
    }
}

/// Context `js` with a promise that calls share, and natives that count.
async fn shared_promise() -> (Broker, Context, Arc<AtomicUsize>) {
    let ticks = Arc::new(AtomicUsize::new(0));
    let count = ticks.clone();
    let broker = builder()
        .native("tick", move || {
            count.fetch_add(1, Relaxed);
        })
        .build()
        .unwrap();
    let context = js_named(
        &broker,
        "js",
        0,
        "let open; const gate = new Promise(done => { open = done });
         expose('waits', async () => { await gate; for (;;) { tick(); await later.async(1) } });
         expose('loops', async () => { await gate; for (;;) tick() });
         expose('naps', async () => { await gate; return nap(20000, 'fine') });
         expose('computes', async () => {
           await gate; for (const t = Date.now(); Date.now() < t + 100;); return 'fine' });
         expose('open', () => { open(); return 1 });
         expose('open_and_wait', async () => { open(); await never.async() });
         expose('echo', x => x)",
    )
    .await;
    (broker, context, ticks)
}

// C-210: what goes on after a shared promise is of the call that awaited it, whoever fulfils it.
#[tokio::test]
#[ignore = "QuickJS does not tell who awaits a promise"]
async fn a_call_that_awaits_the_promise_of_another_ends_at_its_own_deadline() {
    for runaway in ["waits", "loops"] {
        for opener in ["open", "open_and_wait"] {
            let (_broker, context, ticks) = shared_promise().await;
            let call = tokio::spawn(context.call::<Value>(runaway, ()).deadline(DEADLINE));
            while within(context.usage()).await.unwrap().calls == 0 {
                tokio::task::yield_now().await;
            }
            let opened = tokio::spawn(context.call::<Value>(opener, ()));
            assert_eq!(kind(within(call).await.unwrap()), ErrorKind::Timeout, "{runaway}");
            let echo = within(context.call::<i64>("echo", (1,))).await;
            assert_eq!(echo, Ok(1), "{runaway} {opener}");
            opened.abort();
            assert!(quiet_again(&context).await, "{runaway} {opener}: {ticks:?}");
        }
    }
}

// C-210: what ends a call hits no other, also where the other goes on in what the first has begun.
#[tokio::test]
async fn a_call_that_was_released_by_one_that_is_cut_off_goes_on() {
    for innocent in ["naps", "computes"] {
        let (_broker, context, _) = shared_promise().await;
        let call = tokio::spawn(context.call::<String>(innocent, ()));
        while within(context.usage()).await.unwrap().calls == 0 {
            tokio::task::yield_now().await;
        }
        let cut = context.call::<Value>("open_and_wait", ()).deadline(Duration::from_millis(10));
        assert_eq!(kind(within(cut).await), ErrorKind::Timeout);
        assert_eq!(within(call).await.unwrap(), Ok("fine".to_string()), "{innocent}");
    }
}

// C-178: a job that waits does not hold up those that what it waits for needs.
#[tokio::test]
async fn a_promise_job_may_wait_for_a_call_that_needs_promise_jobs() {
    let broker = builder().build().unwrap();
    let _relay = lua(&broker, "expose('relay', function(f, ...) return call(f, ...) end)").await;
    let source = "
        expose('back', async x => { await null; return x + 1 });
        expose('go', async () => {
          for (let i = 0; i < 1100; i++) await null;
          queueMicrotask(() => {});
          return relay('back', 1) })";
    let context = js_named(&broker, "js", 0, source).await;
    assert_eq!(within(context.call::<i64>("go", ())).await, Ok(2));
}

// A queue of calls, each of which releases the next, costs each the same.
#[tokio::test]
async fn calls_that_release_each_other_do_not_get_slower() {
    let broker = builder().build().unwrap();
    let source = "
        let tail = Promise.resolve(), n = 0;
        expose('lock', async () => {
          const before = tail; let done; tail = new Promise(next => { done = next });
          await before; n++; done(); return n })";
    let context = js_named(&broker, "js", 0, source).await;
    let calls = (0..4000).map(|_| context.call::<i64>("lock", ()));
    let mut results = within(try_join_all(calls)).await.unwrap();
    results.sort_unstable();
    assert_eq!(results, (1..=4000).collect::<Vec<i64>>());
    assert!(quiet_again(&context).await);
}

/// Recursions without end: each is an error of the script, or a result, and never a crash.
const RECURSIONS: &[&str] = &[
    "(function f() { return f() })()",
    "new (class A { m() { return this.m() } })().m()",
    "({ get x() { return this.x } }).x",
    "new Proxy({}, { get(t, k, r) { return r[k] } }).x",
    "let p = {}; for (let i = 0; i < 100000; i++) p = new Proxy(p, {}); p.x",
    "let p = []; for (let i = 0; i < 100000; i++) p = new Proxy(p, {}); id(p)",
    "let p = {}; for (let i = 0; i < 100000; i++) p = Object.create(p); p.x; id(p); 1",
    "[...{ [Symbol.iterator]() { return [...this] } }]",
    "const o = { toJSON() { return JSON.stringify(o) } }; JSON.stringify(o)",
    "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; `${a}`",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; id(a)",
    "let e = new Error('x'); for (let i = 0; i < 1e4; i++) e = new Error('x', { cause: e }); throw e",
    "let m = 1; for (let i = 0; i < 1e4; i++) m = new Map([[1, m]]); id(m)",
    "eval('['.repeat(1e5) + ']'.repeat(1e5))",
    "eval('('.repeat(1e5) + '1' + ')'.repeat(1e5))",
    "eval('(function () {'.repeat(3e4) + '})'.repeat(3e4))",
    "eval('`${'.repeat(1e5) + '1' + '}`'.repeat(1e5))",
    "new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))",
    "new RegExp('['.repeat(1e5) + ']'.repeat(1e5), 'v')",
    "[...(function* g() { yield* g() })()]",
    "(async function f() { return await f() })()",
    "let p = Promise.resolve(1); for (let i = 0; i < 1e4; i++) p = p.then(x => x); await p",
    "'x'.replace(/x/, function f() { return 'x'.replace(/x/, f) })",
    "[2, 1].sort(function f(a, b) { return [a, b].sort(f) })",
    "let i = Iterator.from([1]); for (let k = 0; k < 1e4; k++) i = i.map(x => x); i.next()",
    "Error.prepareStackTrace = () => null.x; try { null.x } finally { delete Error.prepareStackTrace }",
    "apply(function f() { return apply(f) })",
    // What is called near the end of the stack has a stack of its own to work with.
    "let v = 1; for (let i = 0; i < 60; i++) v = [v]; (function f() { try { f() } catch { id(v) } })()",
    "let v = 1; for (let i = 0; i < 60; i++) v = { v }; (function f() { try { f() } catch { later(v) } })()",
    "let v = 1; for (let i = 0; i < 60; i++) v = new Map([[1, v]]); (function f() { try { f() } catch { id(v) } })()",
    "let v = 1; for (let i = 0; i < 60; i++) v = new Set([v]); (function f() { try { f() } catch { id(v) } })()",
    "let v = 1; for (let i = 0; i < 60; i++) v = [v]; (function f() { try { f() } catch { throw v } })()",
    "(function f() { try { f() } catch { print({ a: [1, { b: new Map([[1, 2]]) }] }) } })()",
    "(function f() { try { f() } catch { deep_in_rust() } })()",
    "(function f() { try { f() } catch { apply(() => 1) } })()",
];

// C-060, C-108: recursion without end is an error of the script, also in the middle of calls that
// wait for each other across contexts, each of which has used most of its stack.
#[tokio::test]
async fn recursion_without_end_is_an_error_at_every_depth_of_calls() {
    /// What a native may use.
    fn deep_in_rust(depth: usize) -> usize {
        let room = std::hint::black_box([depth; 64]);
        if depth == 0 { 0 } else { room[depth % 64].min(1) + deep_in_rust(depth - 1) }
    }
    let broker = builder()
        .limits(Limits::default().depth(60))
        .native("deep_in_rust", || deep_in_rust(if cfg!(debug_assertions) { 500 } else { 150 }))
        .build()
        .unwrap();
    let _relay = lua(&broker, "expose('relay', function(f, ...) return call(f, ...) end)").await;
    let source = "
        const Body = (async () => {}).constructor;
        expose('play', async source => { try { await new Body(source)() } catch {} return 1 });
        const down = n => n ? down(n - 1) : 0;
        expose('below', (calls, source) =>
          calls === 0 ? call('play', source)
          : (function f(n) { return n ? f(n - 1) : relay('below', calls - 1, source) })(300))";
    let context = js_named(&broker, "js", 0, source).await;
    for source in RECURSIONS {
        for calls in [0, 1, 20] {
            let result = within(context.call::<i64>("below", (calls, *source))).await;
            assert_eq!(result, Ok(1), "below {calls} calls: {source}");
        }
        assert!(quiet_again(&context).await, "something is left of {source}");
    }
    within(context.close()).await;
}

/// What fills the memory of its context, in the interpreter or beside it.
const BOMBS: &[&str] = &[
    "let s = 'x'; for (;;) s = `${s}${s}x`.repeat(2)",
    "'x'.padEnd(1e9)",
    "const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)",
    "const a = []; for (;;) a.push(() => a)",
    "const a = []; for (;;) a.push(new Uint8Array(1e5))",
    "const m = new Map(); for (let i = 0;; i++) m.set(i, {})",
    "const a = []; for (;;) a.push(new Promise(() => {}))",
    "const a = []; for (;;) a.push((async () => { await new Promise(() => {}) })())",
    "const a = []; for (;;) { try { null.x } catch (e) { a.push(e) } }",
    "const a = []; for (;;) { try { fail('io', 'x'.repeat(1e4)) } catch (e) { a.push(e) } }",
    "const a = []; for (;;) a.push(later.async)",
    "Array.from({ length: 2 ** 32 - 1 })",
    "await (async function f() { await null; return await f() })()",
    "let p = Promise.resolve(1); for (;;) p = p.then(x => x)",
    "const r = new FinalizationRegistry(() => {}); for (;;) r.register({}, 'x'.repeat(1000))",
    "for (let i = 0;; i++) expose('a' + i, 'x'.repeat(10000))",
    "const s = 'x'.repeat(1e6); for (;;) await Promise.race([nap.async(1e9, s), later.async(1)])",
];

// Z-033: memory without end is an error of kind `memory` or `busy`, and the context goes on.
#[tokio::test]
async fn memory_without_end_is_an_error_and_the_context_goes_on() {
    let mut wrong = Vec::new();
    for source in BOMBS {
        let broker = builder().limits(Limits::default().memory_bytes(16 * MIB)).build().unwrap();
        let context = js_named(&broker, "js", 0, INNOCENT).await;
        let call = context.call::<Value>("play", (*source,)).deadline(TIMEOUT / 4);
        match within(call).await {
            Err(error) if [ErrorKind::Memory, ErrorKind::Busy].contains(&error.kind()) => {}
            other => wrong.push(format!("{source}\n    {other:?}")),
        }
        let echo = within(context.call::<i64>("echo", (5,))).await;
        if echo != Ok(5) {
            wrong.push(format!("{source}\n    then {echo:?}"));
        }
        within(context.close()).await;
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// What a context has under way outside of its interpreter is bounded in number and in bytes.
#[tokio::test]
async fn what_is_under_way_is_bounded() {
    let broker = builder().limits(Limits::default().memory_bytes(16 * MIB)).build().unwrap();
    let context = js_named(&broker, "js", 0, INNOCENT).await;
    for (source, expected) in [
        ("const f = () => {}; for (;;) setTimeout(f, 1e9)", ErrorKind::Busy),
        ("const f = () => {}; for (;;) setInterval(f, 1e9)", ErrorKind::Busy),
    ] {
        let call = context.call::<Value>("play", (source,)).deadline(TIMEOUT / 2);
        assert_eq!(kind(within(call).await), expected, "{source}");
        let usage = within(context.usage()).await.unwrap();
        assert!(usage.tasks <= 100_000, "{usage:?}");
        within(
            context.call::<Value>(
                "play",
                ("for (let i = 0; i < 1e6; i++) clearTimeout(i); await null",),
            ),
        )
        .await
        .unwrap();
    }
}

// An error tells of so many frames and no more, whatever the script says.
#[tokio::test]
async fn a_trace_that_a_script_makes_up_is_bounded() {
    let broker = builder().build().unwrap();
    let context = js_named(&broker, "js", 0, INNOCENT).await;
    for source in [
        "const e = new Error('x'); e.stack = ' at f (a:1:1)\\n'.repeat(1e5); throw e",
        "Error.stackTraceLimit = 1e5; (function f(n) { if (n) f(n - 1); else throw new Error('x') })(1000)",
    ] {
        let error = within(context.call::<Value>("play", (source,))).await.unwrap_err();
        assert_eq!(error.message(), "x");
        assert!(error.trace().len() < 100, "{} frames", error.trace().len());
    }
}

/// Where a call may wait: each of these bodies stops at the gate, in the middle of something.
const WAITS: &[&str] = &[
    "wait_here(1)",
    "await wait_here.async(1)",
    "[2, 1].sort(() => wait_here(1))",
    "id({ get x() { return wait_here(1) } })",
    "return { get x() { return wait_here(1) } }",
    "new Proxy({}, { get: () => wait_here(1) }).x",
    "'x'.replace(/x/, () => wait_here(1))",
    "for (const x of (function* () { yield wait_here(1) })());",
    "for await (const x of (async function* () { yield await wait_here.async(1) })());",
    "try { throw 1 } catch { wait_here(1) }",
    "try { throw 1 } finally { wait_here(1) }",
    "await null; wait_here(1)",
    "await new Promise(done => setTimeout(() => { wait_here(1); done() }, 0))",
    "setTimeout(() => wait_here(1), 0); await never.async()",
    "const i = setInterval(() => { clearInterval(i); wait_here(1) }, 0); await never.async()",
    "queueMicrotask(() => wait_here(1)); await never.async()",
    "await { then() { wait_here(1) } }",
    "apply(() => wait_here(1))",
    "apply(async () => { await wait_here.async(1) })",
    "await apply.async(async () => wait_here(1))",
    "relay('play', 'wait_here(1)')",
    "await relay.async('play', 'await wait_here.async(1)')",
    "relay('play', 'relay(\"play\", \"wait_here(1)\")')",
    "throw { get message() { return wait_here('m') } }",
    "JSON.stringify({ toJSON() { return wait_here(1) } })",
    "await Promise.all([wait_here.async(1), never.async()])",
];

async fn waiting_context() -> (Broker, Gate, Context) {
    let gate = Gate::default();
    let pass = gate.clone();
    let broker = builder()
        .native_async("wait_here", move |v: Value| {
            let pass = pass.pass();
            async move {
                pass.await;
                v
            }
        })
        .build()
        .unwrap();
    // Its own context, so that it lives as long as the broker.
    lua(&broker, "expose('relay', function(f, ...) return call(f, ...) end)").await;
    let context = js_named(&broker, "js", 0, INNOCENT).await;
    (broker, gate, context)
}

// C-210, Z-036: a caller that goes away takes its call with it, wherever the script is.
#[tokio::test]
async fn a_dropped_call_ends_wherever_it_waits_and_leaves_nothing() {
    let (_broker, gate, context) = waiting_context().await;
    let start = within(context.usage()).await.unwrap();
    for source in WAITS {
        let call = tokio::spawn(context.call::<Value>("play", (*source,)));
        gate.arrived(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert!(quiet_again(&context).await, "something is left of {source}");
        let echo = within(context.call::<i64>("echo", (5,))).await;
        assert_eq!(echo, Ok(5), "after {source}");
    }
    let end = within(context.usage()).await.unwrap();
    assert_eq!(end.handles, start.handles);
}

// The same at a deadline: the answer is `timeout`, and buried calls do not keep those above.
#[tokio::test]
async fn calls_that_wait_above_each_other_end_in_any_order() {
    let (broker, gate, context) = waiting_context().await;
    let relay = broker.contexts().into_iter().find(|context| context.name() == "lua").unwrap();
    let start = within(context.usage()).await.unwrap();
    let mut random = Random(7);
    for round in 0..60 {
        let mut calls = Vec::new();
        for _ in 0..6 {
            let source = WAITS[random.below(WAITS.len())];
            calls
                .push(Some((source, tokio::spawn(relay.call::<Value>("relay", ("play", source))))));
            gate.arrived(1).await;
        }
        for _ in 0..4 {
            let (_, call) = calls.swap_remove(random.below(calls.len())).unwrap();
            call.abort();
            let _ = call.await;
        }
        let echo = within(relay.call::<i64>("relay", ("echo", 5))).await;
        assert_eq!(echo, Ok(5), "round {round}");
        calls.into_iter().flatten().for_each(|(_, call)| call.abort());
        assert!(quiet_again(&context).await, "round {round}");
    }
    let end = within(context.usage()).await.unwrap();
    assert_eq!(end.handles, start.handles);
}

// C-028: whatever waits where, a close answers all of it, and the interpreter is freed whole.
#[tokio::test]
async fn a_close_ends_every_wait_and_answers_dead() {
    for source in WAITS {
        let (broker, gate, context) = waiting_context().await;
        let calls: Vec<_> =
            (0..3).map(|_| tokio::spawn(context.call::<Value>("play", (*source,)))).collect();
        gate.arrived(1).await;
        within(context.close()).await;
        for result in within(join_all(calls)).await {
            assert_eq!(kind(result.unwrap()), ErrorKind::Dead, "{source}");
        }
        within(broker.shutdown(TIMEOUT)).await.unwrap();
    }
}

/// A small generator of numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Functions that return their argument and 1, each in its own way; `NAME` is the context's.
const PLAYERS: &str = "
    expose('NAME_plain', n => n + 1);
    expose('NAME_wait', n => { const a = [n]; const r = nap(n % 300, n); return r + a[0] - n + 1 });
    expose('NAME_async', async n => { const r = await nap.async(n % 300, n); await null; return r + 1 });
    expose('NAME_mixed', async n => { const r = await nap.async(n % 100, n); return nap(n % 200, r) + 1 });
    expose('NAME_sort', n => { const a = [3, 1, 2]; a.sort((x, y) => (later(1), x - y)); return a[0] + n });
    expose('NAME_getter', n => id({ get v() { return nap(50, n) } }).v + 1);
    expose('NAME_yields', n => { let s = 0;
      for (const x of (function* () { yield later(n); yield later(1) })()) s += x; return s });
    expose('NAME_catches', n => { try { fail_later('busy', 'x') } catch (e) { return later(n) + 1 } });
    expose('NAME_proxy', n => new Proxy({}, { get: () => nap(20, n) }).x + 1);
    expose('NAME_timer', n => new Promise((ok, no) =>
      setTimeout(() => { try { ok(nap(30, n) + 1) } catch (e) { no(e) } }, 1)));
    expose('NAME_ends', n => { try { return nap(n % 400, n) + 1 } finally { one() } });
    expose('NAME_applies', n => apply(x => nap(20, x) + 1, n));
    expose('NAME_awaits', async n => await apply.async(async x => { await null; return x + 1 }, n));
    expose('NAME_computes', n => { let s = 0; for (let i = 0; i < 20000; i++) s += i; return n + s - 199989999 });
    expose('NAME_throws', n => { throw Object.assign(new Error(`e${n}`), { n }) });
    expose('NAME_across', (names, n) => {
      if (!names.length) return n + 1; const [f, ...rest] = names; return call(f, rest, n) });
    expose('NAME_promises', async (names, n) => {
      if (!names.length) return n + 1; const [f, ...rest] = names; await later.async(1);
      return await globalThis[f].async(rest, n) });";

const LUA_PLAYERS: &str = "
    expose('NAME_plain', function(n) return n + 1 end)
    expose('NAME_wait', function(n) return nap(n % 300, n) + 1 end)
    expose('NAME_applies', function(n) return apply(function(x) return nap(20, x) + 1 end, n) end)
    expose('NAME_throws', function(n) error({message = 'e' .. n, n = n}) end)
    local function across(names, n)
      if #names == 0 then return n + 1 end
      return call(names[1], table.move(names, 2, #names, 1, {}), n) end
    expose('NAME_across', across)
    expose('NAME_promises', across)";

/// The names of what a context of the random test exports.
fn players(source: &str) -> Vec<String> {
    let names = source.split("expose('NAME_").skip(1);
    names.map(|rest| rest.split('\'').next().unwrap().to_string()).collect()
}

/// Plays rounds of calls at random: some are dropped, some have hardly any time, and every one that
/// answers answers right.
async fn play_at_random(workers: usize, seed: u64) {
    let strange = Arc::new(Mutex::new(Vec::new()));
    let seen = strange.clone();
    let broker = builder()
        .workers(workers)
        .on_failure(move |failure| {
            let text = format!("{failure:?}");
            // What was cut off may be told; nothing else may fail by itself.
            if !text.contains("cancelled") && !text.contains("timeout") {
                seen.lock().unwrap().push(text);
            }
        })
        .limits(Limits::default().slice(SLICE))
        .build()
        .unwrap();
    let mut contexts = Vec::new();
    for index in 0..4 {
        let name = format!("c{index}");
        let (engine, source) = if index == 3 { ("lua", LUA_PLAYERS) } else { ("js", PLAYERS) };
        let context = broker.open(engine).name(&name).worker(index % workers).await.unwrap();
        within(context.eval::<()>(&source.replace("NAME", &name))).await.unwrap();
        let handles = within(context.usage()).await.unwrap().handles;
        contexts.push((context, players(source), handles));
    }
    let mut random = Random(seed);
    for round in 0..20 {
        let calls = (0..50).map(|_| {
            let (context, functions, _) = &contexts[random.below(contexts.len())];
            let function = functions[random.below(functions.len())].clone();
            let n = i64::try_from(random.below(10_000)).unwrap();
            let mut args = vec![Value::from(n)];
            if ["across", "promises"].contains(&&*function) {
                let next = (0..1 + random.below(5))
                    .map(|_| format!("c{}_{function}", random.below(contexts.len())));
                args.insert(0, Value::list(next.collect::<Vec<_>>()));
            }
            let call = context.call::<i64>(&format!("{}_{function}", context.name()), args);
            let some_time = Duration::from_micros(u64::try_from(random.below(3000)).unwrap());
            let fate = random.below(10);
            async move {
                let result = match fate {
                    0 | 1 => Some(call.deadline(some_time).await),
                    2 => tokio::time::timeout(some_time, call).await.ok(),
                    _ => Some(call.await),
                };
                match result {
                    None => {}
                    Some(Ok(result)) => assert_eq!(result, n + 1, "{function}, round {round}"),
                    Some(Err(error)) if fate < 2 && error.kind() == ErrorKind::Timeout => {}
                    Some(Err(error)) => {
                        let expected = (format!("e{n}"), "throws");
                        assert_eq!((error.message(), &*function), (&*expected.0, expected.1));
                    }
                }
            }
        });
        let calls: Vec<_> = calls.collect();
        within(join_all(calls)).await;
    }
    for (context, _, handles) in &contexts {
        assert!(quiet_again(context).await, "{:?}", context.usage().await);
        // Handles are released by messages, behind which an answer comes.
        let usage = within(context.usage()).await.unwrap();
        assert_eq!(usage.handles, *handles, "{}", context.name());
    }
    assert_eq!(*strange.lock().unwrap(), Vec::<String>::new());
    // The end comes in the midst of calls: all are answered, and the interpreters are freed whole.
    let rest: Vec<_> = (0..100)
        .map(|_| {
            let (context, functions, _) = &contexts[random.below(3)];
            let function = &functions[random.below(functions.len() - 2)];
            let call = context.call::<i64>(&format!("{}_{function}", context.name()), (300,));
            tokio::spawn(async move { call.await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    for result in within(join_all(rest)).await {
        let kind = result.unwrap().map_err(|error| error.kind());
        assert!(matches!(kind, Ok(()) | Err(ErrorKind::Raised | ErrorKind::Shutdown)), "{kind:?}");
    }
}

// C-210: dropped, timed out, failed and good calls in a heap, in two languages.
#[tokio::test]
async fn random_calls_are_right_and_leave_nothing() {
    for seed in 1..=3 {
        play_at_random(1, seed).await;
        play_at_random(2, seed + 100).await;
    }
}

/// What a script may do to its own library, and what it then still gets from calog.
const TAMPERED: &[&str] = &[
    "Array.prototype[Symbol.iterator] = undefined",
    "Object.defineProperty(Array.prototype, 0, { set() { throw 1 } })",
    "Object.defineProperty(Object.prototype, 'x', { get() { throw 1 }, set() { throw 2 } })",
    "Object.prototype.get = Object.prototype.value = () => { throw 1 }",
    "Map.prototype.entries = Set.prototype.values = () => { throw 1 }",
    "delete globalThis.Map",
    "globalThis.Map = class { set() { throw 1 } }",
    "Promise.prototype.then = () => { throw 1 }",
    "delete globalThis.Promise",
    "Object.defineProperty(Promise, Symbol.species, { get() { throw 1 } })",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = null",
    "Object.setPrototypeOf(Object.getPrototypeOf(id), null)",
    "Error.prepareStackTrace = () => { throw 1 }",
    "Object.defineProperty(Error, 'stackTraceLimit', { get() { throw 1 } })",
    "Object.freeze(Object.getPrototypeOf(globalThis))",
    "Object.setPrototypeOf(Object.getPrototypeOf(globalThis), new Proxy({}, { has() { throw 1 } }))",
    "try { fail('io', 'x') } catch (e) {
       Error.prototype[Object.getOwnPropertySymbols(e)[0]] = e[Object.getOwnPropertySymbols(e)[0]] }",
    "try { fail('io', 'x') } catch (e) {
       Object.setPrototypeOf(e[Object.getOwnPropertySymbols(e)[0]], null) }",
    "Object.defineProperty(globalThis, 'JSON', { get() { Object.setPrototypeOf(globalThis, null) } })",
    "String.prototype.split = String.prototype.replace = Array.prototype.map = null",
];

// A script that breaks its own library breaks nothing of calog's, and nobody else's.
#[tokio::test]
async fn tampering_with_the_library_harms_nobody_else() {
    for tamper in TAMPERED {
        let broker = builder().build().unwrap();
        let innocent = js_named(&broker, "innocent", 0, "expose('double', x => x * 2)").await;
        let source = format!(
            "const take = (id, later, apply, fail) => {{ {tamper};
               expose('calls', x => later(id({{ a: [x] }})).a[0]);
               expose('awaits', async x => await later.async(x));
               expose('applies', x => apply(y => y, x));
               expose('fails', () => {{ try {{ fail('busy', 'm') }} catch (e) {{ return e.kind }} }});
             }}; take(id, later, apply, fail)"
        );
        let context = broker.open("js").name("js").await.unwrap();
        within(context.eval::<()>(&source)).await.unwrap();
        assert_eq!(within(context.call::<i64>("calls", (7,))).await, Ok(7), "{tamper}");
        assert_eq!(within(context.call::<i64>("awaits", (7,))).await, Ok(7), "{tamper}");
        assert_eq!(within(context.call::<i64>("applies", (7,))).await, Ok(7), "{tamper}");
        let busy = within(context.call::<String>("fails", ())).await;
        assert_eq!(busy.as_deref(), Ok("busy"), "{tamper}");
        let more =
            "[new Map([[1, 2]]), new Set([1]), new Error('x'), new Date(0), /x/, Symbol(), 1n]
            .map(x => { try { return typeof id(x) } catch (e) { return 'thrown' } }).length";
        let _: Result<Value> = within(context.eval(more)).await;
        let _: Result<Value> = within(context.eval("throw new Error('x')")).await;
        let _: Result<Value> = within(context.eval("throw { a: 1 }")).await;
        assert_eq!(within(innocent.call::<i64>("double", (4,))).await, Ok(8), "{tamper}");
        within(context.close()).await;
    }
}

// Where calls are given up, their promises are looked for in the whole heap. That used to be done for
// each such call, so a few hundred of them held up everybody for seconds.
#[tokio::test]
async fn calls_that_are_given_up_hold_up_nobody() {
    const CALLS: u64 = 600;
    let broker = builder().build().unwrap();
    let source = "globalThis.heap = [];
                  for (let i = 0; i < 100000; i++) heap.push({ i, next: [i] });
                  expose('waits', async () => {
                    try { await never.async() } finally { await null }
                  });
                  expose('answers', async () => await later.async(1))";
    let context = js(&broker, source).await;
    let begin = Instant::now();
    let given_up = join_all((0..CALLS).map(|i| {
        context.call::<()>("waits", ()).deadline(Duration::from_micros(10_000 + 300 * i))
    }));
    let others = async {
        let mut longest = Duration::ZERO;
        while begin.elapsed() < Duration::from_millis(10) + Duration::from_micros(300 * CALLS) {
            let asked = Instant::now();
            context.call::<i64>("answers", ()).await.unwrap();
            longest = longest.max(asked.elapsed());
        }
        longest
    };
    let (given_up, longest) = within(async { tokio::join!(given_up, others) }).await;
    assert!(given_up.into_iter().all(|call| kind(call) == ErrorKind::Timeout));
    assert!(longest < LATE, "{longest:?}");
    at_rest(&context).await;
}
