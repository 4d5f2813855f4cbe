//! What happens at the edges of calls into JavaScript: calls that are given up while others lie on
//! top of them, ends within ends, and scripts that change what the engine itself stands on.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Call, Context, ErrorKind, FromValue, Function, Limits, Value};
use futures::future::join_all;
use js_support::*;
use std::time::Duration;
use tokio::sync::oneshot;

fn spawn<R: FromValue + Send + 'static>(
    call: Call<R>,
) -> tokio::task::JoinHandle<calog::Result<R>> {
    tokio::spawn(call)
}

/// `f(name)` waits at the gate in plain form, `g(name)` with a promise; both tell what they do.
const WAITING: &str = "
    expose('f', name => {
      print('in', name);
      try { return wait_here(name); } finally { print('out', name); }
    });
    expose('g', async name => {
      print('in', name);
      try { return await wait_here.async(name); } finally { print('out', name); }
    });";

/// A broker whose `wait_here(v)` stops at `gate` and tells when it is dropped.
fn waiting(log: &Log, gate: &Gate) -> calog::Builder {
    let (dropped, gate) = (log.clone(), gate.clone());
    log.of(builder()).native_async("wait_here", move |value: Value| {
        let (pass, dropped) = (gate.pass(), dropped.clone());
        async move {
            let waits = Dropped(dropped, "native dropped");
            pass.await;
            let _ = std::mem::ManuallyDrop::new(waits);
            value
        }
    })
}

/// Calls `f` of JavaScript through Lua, as `name`, and waits until it is at the gate.
async fn nested(
    lua: &Context,
    gate: &Gate,
    name: &str,
) -> tokio::task::JoinHandle<calog::Result<String>> {
    let call = spawn(lua.call::<String>("through", (name,)));
    gate.arrived(1).await;
    call
}

// C-113, C-210: what lies below others is given up at once for whoever waits for it, and is unwound
// when the others have gone.
#[tokio::test(start_paused = true)]
async fn a_buried_call_that_is_given_up_unwinds_in_its_turn() {
    let (log, gate) = (Log::default(), Gate::default());
    inline(waiting(&log, &gate), async |broker| {
        let context = js(&broker, WAITING).await;
        let lua = lua(&broker, "expose('through', function(name) return f(name) end)").await;
        let a = nested(&lua, &gate, "a").await;
        let b = nested(&lua, &gate, "b").await;
        let c = nested(&lua, &gate, "c").await;
        assert_eq!(log.take(), ["in a", "in b", "in c"]);
        // The one in the middle: its native goes at once, its frames later.
        b.abort();
        settle().await;
        assert_eq!(log.take(), ["native dropped"]);
        a.abort();
        settle().await;
        assert_eq!(log.take(), ["native dropped"]);
        // Others still enter, on top.
        let d = nested(&lua, &gate, "d").await;
        assert_eq!(log.take(), ["in d"]);
        // Those who wait longest are let through first: those that were dropped took no permit.
        gate.open(1);
        settle().await;
        assert_eq!(log.take(), Vec::<String>::new());
        gate.open(1);
        assert_eq!(d.await.unwrap().unwrap(), "d");
        assert_eq!(c.await.unwrap().unwrap(), "c");
        settle().await;
        assert_eq!(log.take(), ["out d", "out c", "out b", "out a"]);
        at_rest(&context).await;
        at_rest(&lua).await;
    })
    .await;
}

// C-210: the same for a deadline: the answer is there in time, though the frames are not gone yet.
#[tokio::test(start_paused = true)]
async fn a_buried_call_that_is_late_is_answered_in_time() {
    let (log, gate) = (Log::default(), Gate::default());
    inline(waiting(&log, &gate), async |broker| {
        let context = js(&broker, WAITING).await;
        let limits = Limits::default().deadline(Duration::from_secs(1));
        let hasty = broker.open("lua").limits(limits).await.unwrap();
        let through = "expose('through', function(name) return f(name) end)";
        hasty.eval::<()>(through).await.unwrap();
        let patient = lua(&broker, "expose('patient', function(name) return f(name) end)").await;
        let start = tokio::time::Instant::now();
        let late = nested(&hasty, &gate, "late").await;
        let good = spawn(patient.call::<String>("patient", ("good",)));
        gate.arrived(1).await;
        assert_eq!(kind(late.await.unwrap()), ErrorKind::Timeout);
        let took = start.elapsed().as_millis();
        assert!((1000..1100).contains(&took), "{took}");
        assert_eq!(log.take(), ["in late", "in good", "native dropped"]);
        gate.open(1);
        assert_eq!(good.await.unwrap().unwrap(), "good");
        settle().await;
        assert_eq!(log.take(), ["out good", "out late"]);
        at_rest(&context).await;
    })
    .await;
}

// A call that ends may not wait any more: not in its `finally`, not in what its promises do.
#[tokio::test(start_paused = true)]
async fn a_call_that_ends_cannot_wait_any_more() {
    let (log, gate) = (Log::default(), Gate::default());
    inline(waiting(&log, &gate), async |broker| {
        let source = "const tell = f => { try { f(); print('waited'); } catch (e) { print(e.kind);
          } };
            expose('plain', () => { try { wait_here(1); } finally { tell(() => later(1));
              print('end'); } });
            expose('awaits', async () => {
              try { await wait_here.async(1); } finally {
                try { await later.async(1); print('waited'); } catch (e) { print(e.kind); }
                print('end');
              } });
            expose('mixed', async () => {
              try { await wait_here.async(1); } finally { tell(() => later(1)); print('end'); } });
            expose('loops', async () => { for (;;) { try { await wait_here.async(1); } catch (e) {
              print('again'); } } });
            expose('loops_plain', () => { for (;;) { try { wait_here(1); } catch (e) { } } });
            expose('timed', async () => {
              try { await wait_here.async(1); } finally { setTimeout(() => print('timer'), 1);
                print('end'); } });
            expose('detached', async () => { (async () => {
              try { await wait_here.async(1); } finally { print('end'); } })();
                await wait_here.async(2); });
            expose('alive', () => 'alive');";
        let context = js(&broker, source).await;
        for (name, wanted) in [
            ("plain", &["native dropped", "cancelled", "end"][..]),
            ("awaits", &["native dropped", "cancelled", "end"]),
            ("mixed", &["native dropped", "cancelled", "end"]),
            ("timed", &["native dropped", "end"]),
            ("detached", &["native dropped", "native dropped", "end"]),
        ] {
            let mut call = context.call::<Value>(name, ());
            start(&mut call).await;
            settle().await;
            drop(call);
            settle().await;
            at_rest(&context).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut lines = log.take();
            lines.sort();
            let mut wanted = wanted.to_vec();
            wanted.sort_unstable();
            assert_eq!(lines, wanted, "of {name}");
            assert_eq!(context.call::<String>("alive", ()).await.unwrap(), "alive", "after {name}");
        }
        for name in ["loops", "loops_plain"] {
            let mut call = context.call::<Value>(name, ());
            start(&mut call).await;
            settle().await;
            drop(call);
            at_rest(&context).await;
            assert_eq!(context.call::<String>("alive", ()).await.unwrap(), "alive", "after {name}");
        }
    })
    .await;
}

// What belongs to several calls, in every order of their ends.
#[tokio::test(start_paused = true)]
async fn calls_may_share_generators_promises_and_iterators() {
    let (log, gate) = (Log::default(), Gate::default());
    inline(waiting(&log, &gate), async |broker| {
        let source =
            "const shared = (function* () { for (let i = 0;; i++) yield wait_here(i); })();
            expose('steps', () => { try { return shared.next().value; } catch (e) { return e.name;
              } });
            let resolve; const promise = new Promise(f => { resolve = f; });
            expose('waits', async () => await promise);
            expose('resolves', v => { resolve(v); });
            const items = [3, 1, 2];
            expose('sorts', () => items.sort((a, b) => wait_here(a - b)).join());
            expose('pops', () => { items.length = 0; items.push(9); return items.length; });
            const map = new Map([[1, 'a'], [2, 'b']]);
            expose('walks', () => { const out = []; for (const [k,
              v] of map) out.push(wait_here(k) + v); return out.join(); });
            expose('changes', () => { map.delete(2); map.set(3, 'c'); return 'changed'; });";
        let context = js(&broker, source).await;
        let lua_source = ["steps", "pops", "changes"]
            .map(|name| format!("expose('lua_{name}', function() return {name}() end)"));
        let lua = lua(&broker, &lua_source.join(" ")).await;
        // A generator that waits is running; nobody else may go on with it.
        let first = spawn(context.call::<Value>("steps", ()));
        gate.arrived(1).await;
        assert_eq!(lua.call::<String>("lua_steps", ()).await.unwrap(), "TypeError");
        gate.open(1);
        assert_eq!(first.await.unwrap().unwrap(), Value::from(0));
        let second = spawn(context.call::<Value>("steps", ()));
        gate.arrived(1).await;
        gate.open(1);
        assert_eq!(second.await.unwrap().unwrap(), Value::from(1));
        // One promise, many who await it, and another call that settles it.
        let calls = [(); 5].map(|()| spawn(context.call::<i64>("waits", ())));
        settle().await;
        context.call::<()>("resolves", (42,)).await.unwrap();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), 42);
        }
        // What is changed under a wait is as it is in any language; nothing breaks.
        let sorts = spawn(context.call::<String>("sorts", ()));
        gate.arrived(1).await;
        assert_eq!(lua.call::<i64>("lua_pops", ()).await.unwrap(), 1);
        gate.open(100);
        sorts.await.unwrap().unwrap();
        at_rest(&context).await;
        let walks = spawn(context.call::<String>("walks", ()));
        assert_eq!(lua.call::<String>("lua_changes", ()).await.unwrap(), "changed");
        let walked = walks.await.unwrap().unwrap();
        assert!(["1a,3c", "1a,2b"].contains(&&*walked), "{walked}");
    })
    .await;
}

/// What a script may do to the objects that everything stands on. Afterwards the context still
/// answers calls, and other contexts notice nothing.
const UNDERMINED: &[&str] = &[
    "Object.prototype.then = function (f) { f('hijacked'); }",
    "Object.defineProperty(Object.prototype, 'then', { get() { throw new Error('then'); } })",
    "Promise.prototype.then = () => { throw new Error('then'); }",
    "Promise.prototype.then = null",
    "Object.defineProperty(Promise, Symbol.species, { get() { throw new Error('species'); } })",
    "Promise.prototype.constructor = null",
    "globalThis.Promise = class {}; globalThis.Error = null; globalThis.Object = null",
    "Error.prepareStackTrace = () => { throw new Error('stack'); }",
    "Error.prepareStackTrace = () => later('waited')",
    "Error.prepareStackTrace = (e, sites) => sites",
    "Error.stackTraceLimit = 0",
    "Object.defineProperty(Error, 'stackTraceLimit', { get() { throw 1; } })",
    "Object.defineProperty(Error.prototype, 'kind', { set() { throw 1; }, get() { return 'mine';
      } })",
    "Error.prototype.message = 5; Error.prototype.name = Symbol(); delete Error.prototype.toString",
    "Array.prototype[Symbol.iterator] = null; Array.prototype.length = 5;
      Array.prototype.toJSON = () => 1",
    "Object.defineProperty(Array.prototype, 0, { set() { throw 1; }, get() { return 'proto'; } })",
    "Object.defineProperty(Object.prototype, 'a', { set() { throw 1; }, get() { return 'proto';
      } })",
    "Map.prototype.entries = null; Map.prototype.set = () => { throw 1; };
      Set.prototype.add = null",
    "Function.prototype.call = null; Function.prototype.apply = null;
      delete Function.prototype.toString",
    "Object.setPrototypeOf(Function.prototype, null)",
    "Object.setPrototypeOf(Object.prototype.constructor, null)",
    "Object.prototype.value = 'value'; Object.prototype.done = true;
      Object.prototype.get = () => 1",
    "Object.freeze(globalThis.Object.prototype); Object.freeze(Function.prototype)",
    "String.prototype.toString = () => { throw 1; }; Symbol.prototype[Symbol.toPrimitive] = null",
    "Uint8Array.prototype.length = 1; Object.setPrototypeOf(Uint8Array.prototype, null)",
    "Object.preventExtensions(globalThis)",
    "for (const name of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[name];
      } catch { } }",
    "new FinalizationRegistry(() => later(1)).register({}, 1); for (let i = 0; i < 1e4; i++) {
      const o = {}; o.o = o; }",
];

#[tokio::test]
async fn a_script_may_undermine_itself_and_nobody_else() {
    let log = Log::default();
    let broker = log.of(builder()).workers(2).build().unwrap();
    let helper = lua(&broker, "expose('helper', function(f) return f({a = 1, 5}) end)").await;
    for source in UNDERMINED {
        let context = broker.open("js").name("undermined").await.unwrap();
        let functions = "const keep = { helper, later, fail, id };
            expose('add', (a, b) => a + keep.later(b));
            expose('add_later', async (a, b) => a + await keep.later.async(b));
            expose('through', x => keep.helper(v => x));
            expose('gives', () => keep.id([1, { a: 'b' }, new Map([[1, 2]])]));
            expose('throws', () => { throw new TypeError('thrown'); });
            expose('fails', () => keep.fail('busy', 'native'));
            expose('rejects', async () => { await null; null.x; }); null";
        eval::<()>(&context, functions).await;
        let _ = within(context.eval::<Value>(&format!("{source}; null"))).await;
        assert_eq!(within(context.call::<i64>("add", (40, 2))).await.unwrap(), 42, "{source}");
        let through = within(context.call::<Value>("through", ("x",))).await;
        assert!(through.is_ok_and(|value| value == "x".into()), "{source}");
        // What stands on the script's own objects may be spoilt for it, but it ends.
        let _ = within(context.call::<Value>("add_later", (40, 2))).await;
        let _ = within(context.call::<Value>("gives", ())).await;
        for name in ["throws", "fails", "rejects"] {
            let result = within(context.call::<Value>(name, ())).await;
            assert!(
                result.is_err() || source.contains("then"),
                "{name} after {source}: {result:?}"
            );
        }
        let results = join_all((0..20).map(|n| context.call::<i64>("add", (n, 1))));
        for (n, result) in (1..).zip(within(results).await) {
            assert_eq!(result.unwrap(), n, "{source}");
        }
        at_rest(&context).await;
        within(context.close()).await;
    }
    assert_eq!(within(helper.eval::<i64>("return 40 + 2")).await.unwrap(), 42);
    let fresh = js(&broker, "").await;
    assert_eq!(eval::<i64>(&fresh, "(await later.async([41]))[0]").await, 41);
}

// Z-035: neither a hot loop nor an endless chain of jobs keeps others out, and each can be ended.
#[tokio::test]
async fn what_never_ends_by_itself_keeps_nobody_out() {
    let broker = builder().build().unwrap();
    let source = "expose('computes', () => { for (;;); });
                  expose('stubborn', () => { for (;;) { try { for (;;); } catch { } finally {
                    } } });
                  expose('chains', async () => { for (;;) await null; });
                  expose('tasks', () => { const f = () => queueMicrotask(f); f();
                    return globalThis.kept ??= new Promise(() => {}); });
                  expose('calls', async () => { for (;;) await id.async(1); });
                  expose('waits', async () => { for (;;) await later.async(1); });
                  expose('generates', () => { function* g() { for (;;) yield 1;
                    } for (const x of g()); });
                  expose('sorts', () => { for (;;) [3, 2, 1].sort(() => 1); });
                  expose('alive', () => 'alive')";
    let context = js(&broker, source).await;
    let neighbour = js(&broker, "expose('neighbour', x => later(x) + 1)").await;
    for name in ["computes", "stubborn", "chains", "tasks", "calls", "waits", "generates", "sorts"]
    {
        let endless = spawn(context.call::<Value>(name, ()));
        for n in 0..5 {
            let got = within(neighbour.call::<i64>("neighbour", (n,))).await.unwrap();
            assert_eq!(got, n + 1, "beside {name}");
        }
        // What does not compute leaves its own context free too.
        if ["chains", "calls", "waits", "tasks"].contains(&name) {
            let got = within(context.call::<String>("alive", ())).await.unwrap();
            assert_eq!(got, "alive", "beside {name}");
        }
        assert!(!endless.is_finished(), "{name}");
        endless.abort();
        let got = within(context.call::<String>("alive", ())).await.unwrap();
        assert_eq!(got, "alive", "after {name}");
        at_rest(&context).await;
    }
}

// C-144, C-151: natives of the host's own thread, in both forms, with state that only they touch.
#[tokio::test]
async fn natives_of_the_host_serve_both_forms() {
    let mut seen = Vec::new();
    let builder = builder().native_host("ask", move |n: i64| {
        seen.push(n);
        vec![i64::try_from(seen.len()).unwrap(), n * 2]
    });
    let (broker, mut host) = builder.build_with_host().unwrap();
    let source = "expose('plain', n => ask(n)[1] + ask(n + 1)[1]);
                  expose('all_later', async () => {
                    const all = await Promise.all([1, 2, 3, 4].map(n => ask.async(n)));
                    return all.map(([, doubled]) => doubled).join();
                  });
                  expose('gives_up', async () => {
                    try { await ask.async(1); } finally { print('never asked'); }
                  });";
    let context = pumped(&mut host, js(&broker, source)).await;
    let calls = (0..10).map(|n| context.call::<i64>("plain", (n,)));
    let results = pumped(&mut host, join_all(calls)).await;
    for (n, result) in (0..).zip(results) {
        assert_eq!(result.unwrap(), 4 * n + 2);
    }
    let all = pumped(&mut host, context.call::<String>("all_later", ())).await.unwrap();
    assert_eq!(all, "2,4,6,8");
    // What nobody waits for any more is not asked.
    let mut call = context.call::<Value>("gives_up", ());
    start(&mut call).await;
    drop(call);
    at_rest(&context).await;
    let all = pumped(&mut host, context.call::<String>("all_later", ())).await.unwrap();
    assert_eq!(all, "2,4,6,8");
}

/// The output of `future`, while the host pumps.
async fn pumped<T>(host: &mut calog::Host, future: impl Future<Output = T>) -> T {
    within(host.run_until(future)).await
}

// C-112: a callback may be called by whoever has it, also by a task of the host that begins a new
// chain, while its script waits for just that in plain form.
#[tokio::test]
async fn a_callback_is_called_from_another_task_while_its_script_waits() {
    let (sender, mut asked) =
        tokio::sync::mpsc::unbounded_channel::<(Function, oneshot::Sender<i64>)>();
    // An actor of the host, as services have them.
    let actor = tokio::spawn(async move {
        while let Some((callback, reply)) = asked.recv().await {
            let _ = reply.send(callback.call::<i64>((20,)).await.unwrap());
        }
    });
    let handle = tokio::runtime::Handle::current();
    let broker = builder()
        .native_async("through_task", move |f: Function| {
            let handle = handle.clone();
            async move { handle.spawn(async move { f.call::<i64>((10,)).await }).await.unwrap() }
        })
        .native_async("through_actor", move |f: Function| {
            let (reply, answer) = oneshot::channel();
            sender.send((f, reply)).unwrap();
            async move { answer.await.unwrap() }
        })
        .build()
        .unwrap();
    let source = "expose('task', n => through_task(x => x + later(n)));
                  expose('actor', n => through_actor(x => x + later(n)));
                  expose('nested', n => through_task(x => through_actor(y => x + y + later(n))));
                  expose('task_later',
                    async n => await through_task.async(async x => x + await later.async(n)));
                  expose('caught', () => { try { through_task(() => 'text'); } catch (e) {
                    return e.kind; } });";
    let context = js(&broker, source).await;
    for (name, wanted) in [("task", 11), ("actor", 21), ("nested", 31), ("task_later", 11)] {
        let calls = (0..10).map(|_| context.call::<i64>(name, (1,)));
        for result in within(join_all(calls)).await {
            assert_eq!(result.unwrap(), wanted, "{name}");
        }
    }
    assert_eq!(within(context.call::<String>("caught", ())).await.unwrap(), "type");
    at_rest(&context).await;
    within(broker.shutdown(TIMEOUT)).await.unwrap();
    actor.abort();
}

/// What goes deep, in C or in the script, without end or as far as memory allows.
const DEEP: &[&str] = &[
    "let it = [1].values(); for (let i = 0; i < 1e5; i++) it = it.map(x => x); it.next()",
    "let it = [1].values(); for (let i = 0; i < 1e5; i++) it = it.filter(x => x); it.toArray()",
    "let it = [1].values(); for (let i = 0; i < 1e5; i++) it = it.take(5); [...it]",
    "let it = [1].values(); for (let i = 0; i < 1e5; i++) it = it.drop(0); for (const x of it);",
    "let it = [1].values(); for (let i = 0; i < 1e5; i++) it = it.flatMap(x => [x]);
      const [y] = it",
    "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))",
    "let o = []; for (let i = 0; i < 1e5; i++) o = [o]; JSON.stringify(o)",
    "let o = []; for (let i = 0; i < 1e5; i++) o = [o]; String(o)",
    "let o = []; for (let i = 0; i < 1e5; i++) o = [o]; o.flat(Infinity)",
    "let o = []; for (let i = 0; i < 1e5; i++) o = [o]; id(o)",
    "new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))",
    "new RegExp('['.repeat(1e5) + ']'.repeat(1e5), 'v')",
    "eval('('.repeat(1e5) + '1' + ')'.repeat(1e5))",
    "eval('!'.repeat(1e5) + '1')",
    "eval('{'.repeat(1e5) + '}'.repeat(1e5))",
    "eval('`${'.repeat(1e5) + '1' + '}`'.repeat(1e5))",
    "const f = () => [f()]; f()",
    "class A { constructor() { new A(); } } new A()",
    "const o = { toString() { return `${this}`; } }; `${o}`",
    "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x",
    "let p = []; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); id(p)",
    "let f = class {}; for (let i = 0; i < 1e4; i++) f = class extends f {}; new f()",
    "function* g() { yield* g(); } [...g()]",
    "const f = () => [2, 1].sort(f); f()",
    "const f = () => 'a'.replace(/a/, f); f()",
    "const f = () => JSON.parse('[1]', f); f()",
    "const f = () => new Function('f', 'f()')(f); f()",
    "const f = () => apply(f); f()",
    "const f = () => call('helper', f); f()",
    "const f = n => { try { return f(n + 1); } catch { return later(n); } }; f(0)",
    "const f = n => { try { return f(n + 1); } catch { return id({ a: [[[1]]] }); } }; f(0)",
    "const f = n => { try { return f(n + 1); } catch { console.log({ a: [[1]] }); } }; f(0)",
    "const f = n => { try { return f(n + 1); } catch { return later.async(1); } }; f(0)",
    "let c; for (let i = 0; i < 1e4; i++) c = new Error('y', { cause: c }); throw c",
];

// C-116: nothing is so deep that it harms the process, at the bottom of a stack or on top of waits.
#[tokio::test]
async fn nothing_deep_harms_the_process() {
    let broker = builder().build().unwrap();
    let _lua = lua(&broker, "expose('helper', function(f) return f() end)").await;
    for source in DEEP {
        let context = js(&broker, "").await;
        // A result or an error, as it comes.
        let _ = within(context.eval::<Value>(&format!("{{ {source} }} null"))).await;
        let inside = format!("[2, 1].sort(() => {{ later(1); {{ {source} }} }}); null");
        let _ = within(context.eval::<Value>(&inside)).await;
        assert_eq!(eval::<i64>(&context, "40 + later(2)").await, 42, "after {source}");
        within(context.close()).await;
    }
}
