//! Calls into JavaScript and out of it: a script may wait at any point of the language, plain calls
//! nest and promises interleave, whatever ends a call ends what hangs below it.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Call, Context, ErrorKind, FromValue, Limits, Value};
use futures::future::{join_all, try_join_all};
use js_support::*;
use std::time::{Duration, Instant};

/// Every point of the language at which a script may call a native that waits. Each returns
/// something that is wrong if the wait lost, repeated or misplaced anything; the same snippet with
/// a plain function instead of the native says what is right.
const POINTS: &[&str] = &[
    // A plain expression, arguments, literals, operators, the conditions of loops.
    "const a = 7, b = 'x'; let r = later(3); return [a, b, r, later(4) + later(5) * later(6)];",
    "const t = [later(1), ...[later(2)], later(3)]; return { [later('k')]: later(t),
      l: t.length };",
    "let i = 0, s = 0; while (later(i) < 5) { i++; s += i; } do { s--; } while (later(false));
      return s;",
    "let s = ''; for (let i = later(1); i < later(9); i += later(2)) s += i; return s;",
    "const f = (...args) => [args.length, ...args]; return f(later(1), undefined, later(true));",
    "const f = n => n === 0 ? later('end') : f(n - 1); return f(50);",
    "switch (later(2)) { case later(1): return 'one'; case later(2): return later('two'); }",
    "return [later(0) || later('or'), later(1) && later('and'), later(null) ?? later('nn'),
       { f: () => later('call') }?.f?.(), later(true) ? later('yes') : later('no')];",
    "let o = { n: 1 }; o.n += later(2); o[later('m')] ??= later(3); o.n **= later(2); return o;",
    "return `${later('a')}-${later('b')}${`${later('c')}`}`;",
    "label: for (const i of [1, 2, 3]) { for (;;) { if (later(i) < 3) continue label; break label;
      } }
       return later('out');",
    "return [typeof later(1), -later(2), !later(0), delete { a: 1 }[later('a')], later('a') in {
      a: 1 },
       new (later(class { v = 1; }))().v, later([]) instanceof later(Array),
         void later(1)].length;",
    // Destructuring, spread, parameters.
    "const { a = later(1), b: { c = later(2) } = {}, ...rest } = { d: later(3) }; return [a, c,
      rest];",
    "const [a = later(1), [b = later(2)] = []] = []; return [a, b];",
    "const f = (a, b = later(a + 1), { c = later(b + 1) } = {}) => [a, b, c]; return f(1);",
    "let a, o = {}; [a, o[later('k')]] = [later(1), later(2)]; return [a, o];",
    "const it = { *[Symbol.iterator]() { yield later(1); yield later(2); } };
       return [Math.max(...it), [...it, ...it], { ...{ get g() { return later('g'); } } }];",
    // Exceptions.
    "try { throw later('thrown'); } catch (e) { return later('caught ' + e); }",
    "const log = []; const f = () => { try { return later('r'); } finally { log.push(later('f'));
      } };
       return [f(), log];",
    "const f = () => { for (const x of [1, 2]) { try { continue; } finally { if (later(x) === 2)
      return x; } } };
       return f();",
    "try { try { throw later(1); } finally { later(2); } } catch (e) { return [later('outer'), e];
      }",
    "try { null[later('x')]; } catch (e) { return [e instanceof TypeError, later('after')]; }",
    // Getters, setters, conversions, symbols that the language calls.
    "return { get x() { return later(5) + 1; } }.x;",
    "let got; const o = { set x(v) { got = later(v) * 2; } }; o.x = later(4); return got;",
    "class A { static get s() { return later('s'); } get #p() { return later('p'); } m() {
      return this.#p; } }
       return [A.s, new A().m()];",
    "return [`${{ toString: () => later('str') }}`, '' + { toString: () => later('s2') },
       [{ toString: () => later('j') }, 1].join('+'), String({ toString: () => later('S') })];",
    "return [+{ valueOf: () => later(41) } + 1, { valueOf: () => later(2) } * {
      valueOf: () => later(3) },
       { valueOf: () => later(1) } < { valueOf: () => later(2) }, Math.max({
         valueOf: () => later(9) })];",
    "const o = { [Symbol.toPrimitive]: hint => later(hint) }; return [`${o}`, o + '', isNaN(+o),
      ({ default: 7 })[o]];",
    "class Even { static [Symbol.hasInstance](n) { return later(n % 2 === 0); } }
       return [2 instanceof Even, 3 instanceof Even];",
    "return Object.prototype.toString.call({ get [Symbol.toStringTag]() { return later('Tagged');
      } });",
    "class P extends Array { static get [Symbol.species]() { return later(Array); } }
       return [P.of(1, 2).map(x => later(x * 2)) instanceof P, P.of(1).length];",
    "return new Date({ valueOf: () => later(0) }).toISOString() + new Array({ length: later(2)
      }).length;",
    "return [parseInt({ toString: () => later('12') }), new Uint8Array([{ valueOf: () => later(7)
      }])[0],
       'abc'.slice({ valueOf: () => later(1) }), [1, 2, 3].at({ valueOf: () => later(-1) })];",
    // Iterators and generators.
    "const o = { [Symbol.iterator]() { later(0); let i = 0; return { next() { i = later(i + 1);
       return { get done() { return later(i > 3); }, get value() { return later(i * i); } }; } };
         } };
       const out = []; for (const v of o) out.push(v); return [out, [...o], Array.from(o)];",
    "const log = []; const o = { [Symbol.iterator]: () => ({ next: () => ({ value: 1,
      done: false }),
       return() { log.push(later('closed')); return {}; } }) };
       for (const v of o) { if (later(v)) break; } const [x] = o; return [log, x];",
    "const log = []; const o = { [Symbol.iterator]: () => ({ next: () => ({ value: 1,
      done: false }),
       return() { log.push(later('closed')); return {}; } }) };
       try { for (const v of o) throw later('t'); } catch (e) { log.push(e); } return log;",
    "function* g() { const a = yield later(1); try { yield later(a) + 1; } finally {
      yield later('f'); } }
       const it = g(); return [it.next().value, it.next(10).value, it.return('r').value,
         it.next().value];",
    "function* tree(n) { if (n) { yield* tree(n - 1); yield later(n); yield* tree(n - 1);
      } else later(0); }
       return [...tree(4)].join('');",
    "function* g() { try { yield 1; } catch (e) { yield later('c' + e); } } const it = g();
      it.next();
       return [it.throw(later('x')).value, it.next().done];",
    "const a = (function* () { for (let i = 0; i < 3; i++) yield later('a' + i); })();
       const b = (function* () { for (let i = 0; i < 3; i++) yield later('b' + i); })();
       return [a.next(), b.next(), a.next(), b.next()].map(r => later(r.value));",
    "return [1, 2, 3,
      4].values().filter(x => later(x % 2 === 0)).map(x => later(x * 10)).toArray();",
    // Callbacks of the library.
    "return [5, 2, 4, 1, 3].sort((a, b) => later(a) - later(b)).join();",
    "return [[3, 1, 2].toSorted((a, b) => later(b - a)), new Uint8Array([3, 1, 2]).sort((a,
      b) => later(a - b)).join()];",
    "const a = [1, 2, 3]; return [a.map(x => later(x * 2)), a.filter(x => later(x > 1)),
       a.reduce((s, x) => later(s + x)), a.reduceRight((s, x) => later(s + '' + x)),
         a.some(x => later(x > 2)),
       a.every(x => later(x > 2)), a.find(x => later(x > 1)), a.findLastIndex(x => later(x < 3)),
       a.flatMap(x => later([x, x]))];",
    "const out = []; [1, , 3].forEach((x, i) => out.push(later(i) + ':' + x)); return out;",
    "return [Array.from({ length: later(3) }, (_, i) => later(i * i)), Array.from('ab',
      c => later(c + c)),
       Uint8Array.from([1, 2], x => later(x + 1)).join()];",
    "const out = []; new Map([['a', 1], ['b', 2]]).forEach((v, k) => out.push(later(k) + v));
       new Set([7]).forEach(v => out.push(later(v))); return out;",
    "return Object.groupBy([1, 2, 3], x => later(x % 2 ? 'odd' : 'even')).odd;",
    "return ['hello world'.replace(/o/g, (m, i) => later(m + i)), 'a-b'.replaceAll('-',
      () => later('+')),
       'x1'.replace(/(?<d>\\d)/, (...all) => later(all.at(-1).d))];",
    "const r = { [Symbol.replace]: (s, v) => later(s + v), [Symbol.split]: s => later([s]),
       [Symbol.match]: s => later('m' + s) }; return ['a'.replace(r, 'b'), 'c'.split(r),
         'd'.match(r)];",
    "class R extends RegExp { exec(s) { later(0); return super.exec(s); } }
       return ['a1b2'.replace(new R('\\\\d', 'g'), d => later(d * 2)), new R('b').test('abc')];",
    "return [JSON.stringify({ toJSON: k => later('J' + k) }), JSON.stringify([1, 2], (k,
      v) => later(v)),
       JSON.stringify({ get g() { return later(1); } })];",
    "return JSON.parse('{\"a\":[1,2],\"b\":3}', (k,
      v) => later(typeof v === 'number' ? v * 2 : v));",
    "const tag = (parts, ...values) => later(parts.join('_') + values.join());
      return tag`a${later(1)}b${2}c`;",
    "return [Reflect.apply(later, null, ['r']), later.call(null, 'c'), later.apply(null, ['a']),
       later.bind(null, 'b')(), Reflect.construct(class { v = later(1); }, []).v];",
    "return [Object.fromEntries({ *[Symbol.iterator]() { yield [later('k'), later('v')]; } }),
       Object.assign({}, { get x() { return later(1); } }), Object.entries({ get y() {
         return later(2); } })];",
    "const o = {}; Object.defineProperty(o, later('x'), { get value() { return later(5); } });
       return [o.x, Object.keys(new Proxy({}, { ownKeys: () => later(['z']),
         getOwnPropertyDescriptor: () => later({ enumerable: true, configurable: true, value: 1 })
           }))];",
    // Proxies.
    "const p = new Proxy(function () {}, { get: (t, k) => later('g' + String(k)), has: (t,
      k) => later(k === 'h'),
       apply: (t, self, args) => later(args[0]), construct: (t, args) => later({ made: args[0] }),
       set: (t, k, v) => { t.stored = later(v); return true; }, deleteProperty: () => later(true),
       getPrototypeOf: () => later(Array.prototype) });
       p.x = 9; return [p.a, 'h' in p, 'q' in p, p(3), new p(4).made, delete p.z,
         p instanceof Array];",
    // Classes.
    "class A { constructor(v) { this.v = later(v); } } class B extends A { constructor() {
      super(later(1)); this.w = later(2); } }
       const b = new B(); return [b.v, b.w];",
    "class A { f = later(1); #p = later(2); [later('k')] = later(3); static s = later(4); static {
      this.t = later(5); }
       p() { return this.#p; } } const a = new A(); return [a.f, a.p(), a.k, A.s, A.t];",
    "const make = base => class extends later(base) { static [later('n')]() {
      return later('static'); } };
       return make(Object).n();",
    "class A { static #n = 0; static accessorless() { return ++A.#n; } get v() {
      return later(A.#n); } }
       A.accessorless(); return super_(new A()); function super_(a) { return a.v; }",
    // Promises and async functions: waiting in plain form inside of what is asynchronous.
    "return await new Promise(resolve => resolve(later('executor')));",
    "return await Promise.resolve(1).then(v => later(v + 1)).then(v => { throw later(v);
      }).catch(e => later('c' + e));",
    "const log = [];
      await Promise.reject(1).finally(() => log.push(later('f'))).catch(e => log.push(later(e)));
      return log;",
    "const f = async (a = later(1)) => { later(0); await null; return later(a + 1); };
      return await f();",
    "async function* g() { yield later(1); await null; yield later(2); } const out = [];
       for await (const v of g()) out.push(later(v)); return out;",
    "const o = { [Symbol.asyncIterator]: () => { let i = 0; return { next: async () => ({
      value: later(++i), done: i > 2 }),
       return: async () => { later(0); return {}; } }; } };
       const out = []; for await (const v of o) out.push(v); for await (const v of o) break;
         return out;",
    "return await { then(resolve) { resolve(later('thenable')); } };",
    "return await new Promise(resolve => queueMicrotask(() => resolve(later('micro'))));",
    "return await new Promise(resolve => setTimeout((a, b) => resolve(later(a) + b), 0, 'timer',
      '!'));",
    "return await Promise.all([1, 2, 3].map(async x => later(x) + (await later(x))));",
    // Evaluated code.
    "return [eval('later(1) + 1'), new Function('f', 'return f(2)')(later), (0, eval)('3')];",
    // All at once.
    "const out = []; [2, 1].sort((a, b) => { 'ab'.replace(/./g, c => {
      for (const v of (function* () {
       yield new Proxy({}, { get: (t, k) => later(k + c) })[`${{ toString: () => later('p') }}`];
         })()) out.push(v); });
       return a - b; }); return out;",
];

/// The same where the order of promise jobs counts: while one script waits, the jobs of all go on.
const ORDERED: &[&str] = &[
    "const order = []; Promise.resolve().then(() => order.push('job'));
      order.push(later('before')); await null;
       order.push(later('after')); return order;",
    "const log = []; const f = async n => { for (let i = 0; i < 3; i++) { log.push(later(n + i));
      await null; } };
       await Promise.all([f('a'), f('b')]); return log;",
];

// C-118, C-117: the points at which nothing but the fiber below makes a wait possible.
#[tokio::test]
async fn a_script_may_wait_at_every_point_of_the_language() {
    let broker = builder().build().unwrap();
    let (context, plain) = (js(&broker, "").await, js(&broker, "").await);
    let mut wrong = Vec::new();
    for point in POINTS.iter().chain(ORDERED) {
        let wanted: String = eval(&plain, &js_shown(point, false)).await;
        let got = within(context.eval::<String>(&js_shown(point, true))).await;
        if got.as_ref().ok() != Some(&wanted) {
            wrong.push(format!("{point}\n  gave   {got:?}\n  wanted {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    at_rest(&context).await;
}

/// A context in which `point(i)` runs [`POINTS`] number `i`.
async fn points(broker: &Broker) -> Context {
    let list: Vec<_> = POINTS.iter().map(|point| format!("later => {}", body(point))).collect();
    let source = format!(
        "globalThis.points = [{}]; expose('point', async i => await points[i](globalThis.later))",
        list.join(",\n")
    );
    js_named(broker, "points", 0, &source).await
}

/// The part of [`js_shown`] that is a function's body.
fn body(point: &str) -> String {
    let shown = js_shown(point, true);
    let shown = shown.trim_start_matches("await (async later => ");
    shown.rsplit_once(")(").unwrap().0.replacen('{', "(async () => {", 1) + ")()"
}

// C-117, C-113: all points at once, several times each, in one interpreter, with calls that nest on
// each other because they come from other contexts.
#[tokio::test]
async fn waits_at_all_points_may_overlap_in_one_context() {
    let broker = builder().workers(2).build().unwrap();
    let context = points(&broker).await;
    let plain = js(&broker, "").await;
    let mut wanted: Vec<String> = Vec::new();
    for point in POINTS {
        wanted.push(eval(&plain, &js_shown(point, false)).await);
    }
    let mut callers = Vec::new();
    for n in 0..3 {
        let source = format!("expose('run{n}', function(i) return point(i) end)");
        callers.push(named(&broker, "caller", n % 2, &source).await);
    }
    let source = "expose('run3', i => point(i)); expose('run4', async i => await point.async(i))";
    callers.extend([js(&broker, source).await]);
    let calls = (0..6_usize).flat_map(|n| (0..POINTS.len()).map(move |i| (n, i)));
    let calls = calls.map(|(n, i)| {
        let call: Call<String> = match n {
            5 => context.call("point", (i,)),
            n => broker.call(&format!("run{n}"), (i,)),
        };
        let wanted = &wanted;
        async move { assert_eq!(call.await.unwrap(), wanted[i], "by {n} in {}", POINTS[i]) }
    });
    within(join_all(calls)).await;
    for context in callers.iter().chain([&context]) {
        at_rest(context).await;
    }
}

/// Starts `call` on a task of its own.
fn spawn<R: FromValue + Send + 'static>(
    call: Call<R>,
) -> tokio::task::JoinHandle<calog::Result<R>> {
    tokio::spawn(call)
}

// C-113, C-114: plain calls finish innermost first, though the outer one has its result before.
#[tokio::test(start_paused = true)]
async fn plain_calls_from_other_contexts_nest() {
    let (log, gate) = (Log::default(), Gate::default());
    let builder = gated(log.of(builder()), "wait_here", &gate);
    inline(builder, async |broker| {
        let source =
            "expose('f', name => { print('in ' + name); wait_here(1); print('out ' + name); })";
        let _js = js(&broker, source).await;
        let mut calls = Vec::new();
        for name in ["a", "b", "c"] {
            let source =
                format!("expose('call_{name}', function() f('{name}') print('{name} ended') end)");
            lua(&broker, &source).await;
            calls.push(spawn(broker.call::<()>(&format!("call_{name}"), ())));
            gate.arrived(1).await;
        }
        // The wait of `a` is over, but it lies below the two others.
        gate.open(1);
        settle().await;
        assert_eq!(log.take(), ["in a", "in b", "in c"]);
        gate.open(1);
        settle().await;
        assert_eq!(log.take(), Vec::<String>::new());
        gate.open(1);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let mut lines = log.take();
        // Each caller goes on for itself; the order inside of JavaScript is what is promised.
        lines.retain(|line| line.starts_with("out"));
        assert_eq!(lines, ["out c", "out b", "out a"]);
    })
    .await;
}

/// Begins a call of `f` for each name, in this order also on a busy machine.
async fn one_by_one<const N: usize>(
    context: &Context,
    names: [&str; N],
) -> Vec<tokio::task::JoinHandle<calog::Result<String>>> {
    let mut calls = Vec::new();
    for name in names {
        calls.push(spawn(context.call::<String>("f", (name,))));
        settle().await;
    }
    calls
}

// C-117: a call from the host is nobody's answer, so it waits until the interpreter is idle.
#[tokio::test(start_paused = true)]
async fn calls_from_the_host_enter_one_after_another_in_order() {
    let (log, gate) = (Log::default(), Gate::default());
    let builder = gated(log.of(builder()), "wait_here", &gate);
    inline(builder, async |broker| {
        let source = "expose('f', name => { print('in ' + name); return wait_here(name) + '!'; })";
        let context = js(&broker, source).await;
        let calls = one_by_one(&context, ["a", "b", "c", "d"]).await;
        assert_eq!((log.take(), gate.arrivals()), (vec!["in a".to_string()], 1));
        // One that is given up in the queue never enters, and keeps nobody up.
        calls[1].abort();
        settle().await;
        gate.open(1);
        settle().await;
        assert_eq!(log.take(), ["in c"]);
        // A call from another context does not wait for its turn.
        lua(&broker, "expose('from_lua', function() return f('lua') end)").await;
        let nested = spawn(broker.call::<String>("from_lua", ()));
        settle().await;
        assert_eq!(log.take(), ["in lua"]);
        gate.open(3);
        let mut results = vec![nested.await.unwrap().unwrap()];
        for (index, call) in calls.into_iter().enumerate() {
            match index {
                1 => assert!(call.await.unwrap_err().is_cancelled()),
                _ => results.push(call.await.unwrap().unwrap()),
            }
        }
        assert_eq!(results, ["lua!", "a!", "c!", "d!"]);
    })
    .await;
}

// What a call leaves to be done at once is done before whatever comes after it.
#[tokio::test]
async fn jobs_of_a_call_run_before_the_next_call() {
    // As long as the slice lasts: one that is over between the two lets a queued call in.
    let slice = Duration::from_secs(60);
    let broker = builder().limits(Limits::default().slice(slice)).build().unwrap();
    let source = "globalThis.n = 0;
                  const soon = () => { Promise.resolve().then(() => { n++; }); return n; };
                  expose('leaves', soon);
                  expose('leaves_more', () => { queueMicrotask(() => queueMicrotask(() => { n++;
                    })); });
                  expose('leaves_async', async () => { soon(); });
                  expose('leaves_and_throws', () => { soon(); throw new Error('on purpose'); });
                  expose('sees', () => n);";
    let context = js(&broker, source).await;
    let lua = lua(&broker, "expose('lua_leaves', function() leaves() return sees() end)").await;
    let mut wanted = 0;
    for _ in 0..50 {
        for name in ["leaves", "leaves_more", "leaves_async", "leaves_and_throws"] {
            let _ = within(context.call::<Value>(name, ())).await;
            wanted += 1;
            assert_eq!(within(context.call::<i64>("sees", ())).await.unwrap(), wanted, "{name}");
            // Also of one that is queued already.
            let calls = (context.call::<Value>(name, ()), context.call::<i64>("sees", ()));
            let (_, seen) = within(futures::future::join(calls.0, calls.1)).await;
            wanted += 1;
            assert_eq!(seen.unwrap(), wanted, "{name}");
        }
        eval::<()>(&context, "soon(); null").await;
        wanted += 1;
        assert_eq!(eval::<i64>(&context, "n").await, wanted);
        wanted += 1;
        assert_eq!(within(lua.call::<i64>("lua_leaves", ())).await.unwrap(), wanted);
    }
}

// C-117: what awaits is not inside of the interpreter, so others come and go.
#[tokio::test(start_paused = true)]
async fn async_functions_interleave_freely() {
    let (log, gate) = (Log::default(), Gate::default());
    let builder = gated(log.of(builder()), "wait_here", &gate);
    inline(builder, async |broker| {
        let source = "expose('f', async name => {
                        print('in ' + name);
                        const got = await wait_here.async(name);
                        print('out ' + name);
                        return got;
                      })
                      expose('plain', () => 'plain')";
        let context = js(&broker, source).await;
        let calls = one_by_one(&context, ["a", "b", "c"]).await;
        assert_eq!(log.take(), ["in a", "in b", "in c"]);
        assert_eq!(context.call::<String>("plain", ()).await.unwrap(), "plain");
        gate.open(1);
        settle().await;
        assert_eq!(log.take(), ["out a"]);
        gate.open(1);
        settle().await;
        gate.open(1);
        for (call, name) in calls.into_iter().zip(["a", "b", "c"]) {
            assert_eq!(call.await.unwrap().unwrap(), name);
        }
        assert_eq!(log.take(), ["out b", "out c"]);
        at_rest(&context).await;
    })
    .await;
}

// Two that wait at the same time, in one call: the gate has both before either goes on.
#[tokio::test(start_paused = true)]
async fn async_calls_of_one_script_run_in_parallel() {
    let gate = Gate::default();
    inline(gated(builder(), "wait_here", &gate), async |broker| {
        lua(&broker, "expose('slow', function(v) return wait_here(v) .. '?' end)").await;
        let source = "expose('all', () => Promise.all([wait_here.async('a'), slow.async('b'),
                        (async () => await wait_here.async('c'))(), 'd']))
                      expose('race', () => Promise.race([never.async(), wait_here.async('r')]))
                      expose('settled', async () => (await Promise.allSettled(
                        [later.async('x'), fail_later.async('denied',
                          'no')])).map(r => r.reason?.kind ?? r.value))
                      expose('mixed', async () => {
                        const pending = wait_here.async('async');
                        const plain = id('plain');
                        return [plain, await pending];
                      })";
        let context = js(&broker, source).await;
        let all = spawn(context.call::<Vec<String>>("all", ()));
        gate.arrived(3).await;
        gate.open(3);
        assert_eq!(all.await.unwrap().unwrap(), ["a", "b?", "c", "d"]);
        gate.open(1);
        assert_eq!(context.call::<String>("race", ()).await.unwrap(), "r");
        let settled = context.call::<Vec<String>>("settled", ()).await.unwrap();
        assert_eq!(settled, ["x", "denied"]);
        gate.open(1);
        let mixed = context.call::<Vec<String>>("mixed", ()).await.unwrap();
        assert_eq!(mixed, ["plain", "async"]);
    })
    .await;
}

// The order in which results come, in both forms.
#[tokio::test]
async fn the_two_forms_of_a_call() {
    let broker = builder().build().unwrap();
    let _other = lua(&broker, "expose('lib.twice', function(x) return later(x) * 2 end)").await;
    let context = js(&broker, "").await;
    for (source, wanted) in [
        // The plain form waits where it stands; the other goes on and is awaited.
        (
            "const log = []; const p = later.async(1).then(v => log.push(v)); log.push(later(2));
              log.push(3);
         await p; return log.includes(1) && log.indexOf(2) < log.indexOf(3);",
            "true",
        ),
        (
            "const p = id.async(5); return [p instanceof Promise, typeof id, typeof id.async,
              await p, id(6)];",
            "true | function | function | 5 | 6",
        ),
        (
            "return [id.name, later.async instanceof Function, id.length, id === globalThis.id];",
            "id | true | 0 | true",
        ),
        (
            "return [await lib.twice.async(4), lib.twice(5),
              await lib.twice.async('x').catch(e => e.kind)];",
            "8 | 10 | raised",
        ),
        // What fails at once is a rejection too and never an exception.
        (
            "return [await id.async(1, 2).catch(e => e.kind),
              await id.async(Symbol()).catch(e => e.kind),
           await fail.async('busy', 'm').catch(e => e.kind + e.message),
             await boom.async().catch(e => e.kind),
           await call.async('nothing').catch(e => e.kind)];",
            "arity | unrepresentable | busym | panicked | not_found",
        ),
        (
            "return [await call.async('later', 7), await call.async(x => x + 1, 8),
              call(x => later(x), 9)];",
            "7 | 9 | 9",
        ),
        (
            "const f = later.async; return [await f(1), await f.call(null, 2),
              await [3].map(x => f(x))[0]];",
            "1 | 2 | 3",
        ),
        (
            "let n = 0; const again = async () => { if (++n < 100) { await later.async(n);
              return again(); } return n; };
         return await again();",
            "100",
        ),
    ] {
        quiet("boom");
        let got: String = eval(&context, &js_shown(source, true)).await;
        assert_eq!(got, wanted, "of {source}");
    }
}

// C-117, C-209: 50 s of waiting, done in the time of one wait.
#[tokio::test]
async fn a_thousand_async_calls_wait_at_the_same_time_in_one_context() {
    const CALLS: i64 = 1000;
    const WAIT: Duration = Duration::from_millis(50);
    /// Half a second is what it may take; the rest is for a busy machine and a debug build.
    const BOUND: Duration = Duration::from_millis(2500);

    let broker = builder().build().unwrap();
    let source = "expose('wait', async (us, i) => await nap.async(us, i) + 1)";
    let context = js(&broker, source).await;
    let start = Instant::now();
    let us = i64::try_from(WAIT.as_micros()).unwrap();
    let calls = (0..CALLS).map(|i| context.call::<i64>("wait", (us, i)));
    let results = within(try_join_all(calls)).await.unwrap();
    let took = start.elapsed();
    assert_eq!(results, (1..=CALLS).collect::<Vec<_>>());
    assert!(took >= WAIT && took < BOUND, "took {took:?}");
    at_rest(&context).await;
}

// C-111: the same in the plain form goes one after another, and none waits for ever.
#[tokio::test(start_paused = true)]
async fn a_thousand_plain_calls_wait_one_after_another() {
    const CALLS: i64 = 1000;
    let local = tokio::task::LocalSet::new();
    let broker = builder().build_inline(&local).unwrap();
    let test = async {
        let context = js(&broker, "expose('wait', (us, i) => nap(us, i) + 1)").await;
        let start = tokio::time::Instant::now();
        let calls = (0..CALLS).map(|i| context.call::<i64>("wait", (50_000, i)));
        let results = try_join_all(calls).await.unwrap();
        assert_eq!(results, (1..=CALLS).collect::<Vec<_>>());
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(50) && took < Duration::from_secs(60), "{took:?}");
    };
    // Of paused time there is plenty.
    let plenty = Duration::from_secs(1000);
    local.run_until(tokio::time::timeout(plenty, test)).await.expect("it hangs");
}

/// Adds `hang()`, which never ends and tells `log` when it is dropped, and `note(text)`, which is
/// there at once.
fn hanging(log: &Log, builder: calog::Builder) -> calog::Builder {
    let (hang, note) = (log.clone(), log.clone());
    log.of(builder)
        .native_async("hang", move || {
            let dropped = Dropped(hang.clone(), "native dropped");
            hang.add("native waits");
            async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            }
        })
        .native("note", move |line: String| note.add(line))
}

/// Scripts that wait for `hang()` in each form, and tell how they end.
const HANGING: &str = "
    expose('plain', () => { try { hang(); } catch (e) { note('caught ' + e.kind); } finally {
      note('finally'); } })
    expose('waits', async () => { try { await hang.async(); } finally { note('finally'); } })
    expose('both', async () => { try { await null; hang(); } finally { note('finally'); } })
    expose('nested', async () => {
      const inner = async () => { try { await hang.async(); } finally { note('inner finally'); } };
      try { await Promise.all([inner(), 5]); } finally { note('finally'); }
    })
    expose('generator', () => {
      function* g() { try { yield 1; hang(); } finally { note('generator finally'); } }
      try { for (const v of g()) note('got ' + v); } finally { note('finally'); }
    })
    expose('alive', () => 'alive')";

// C-210: whoever drops the future of a call ends the script's part, and its handlers run.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_runs_its_finally() {
    let log = Log::default();
    inline(hanging(&log, builder()), async |broker| {
        let context = js(&broker, HANGING).await;
        for (name, wanted) in [
            ("plain", &["native waits", "native dropped", "caught cancelled", "finally"][..]),
            ("waits", &["native waits", "native dropped", "finally"]),
            ("both", &["native waits", "native dropped", "finally"]),
            ("nested", &["native waits", "native dropped", "inner finally", "finally"]),
            (
                "generator",
                &["got 1", "native waits", "native dropped", "generator finally", "finally"],
            ),
        ] {
            let mut call = context.call::<Value>(name, ());
            start(&mut call).await;
            settle().await;
            drop(call);
            settle().await;
            assert_eq!(log.take(), wanted, "of {name}");
            assert_eq!(context.call::<String>("alive", ()).await.unwrap(), "alive");
            at_rest(&context).await;
        }
    })
    .await;
}

// C-210: so does a deadline, and the answer says what it was.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_late_ends_with_timeout() {
    let log = Log::default();
    inline(hanging(&log, builder()), async |broker| {
        let limits = Limits::default().deadline(Duration::from_secs(1));
        let context = broker.open("js").limits(limits).await.unwrap();
        eval::<()>(&context, HANGING).await;
        for name in ["plain", "waits", "both", "nested", "generator"] {
            let start = tokio::time::Instant::now();
            let result = context.call::<Value>(name, ()).await;
            assert_eq!(kind(result), ErrorKind::Timeout, "of {name}");
            let took = start.elapsed();
            assert!(
                took >= Duration::from_secs(1) && took < Duration::from_millis(1100),
                "{took:?}"
            );
            settle().await;
            let lines = log.take();
            assert_eq!(lines.last().unwrap(), "finally", "of {name}: {lines:?}");
            assert!(lines.contains(&"native dropped".to_string()), "of {name}: {lines:?}");
            assert_eq!(context.call::<String>("alive", ()).await.unwrap(), "alive");
            at_rest(&context).await;
        }
    })
    .await;
}

// C-210: a deadline ends everything that hangs below, in both languages and both forms.
#[tokio::test(start_paused = true)]
async fn a_deadline_ends_what_hangs_below_in_every_language() {
    let log = Log::default();
    inline(hanging(&log, builder()), async |broker| {
        let js_low = "expose('js_low', () => { try { hang(); } finally { note('js low'); } })
             expose('js_low_async', async () => { try { await hang.async(); } finally {
               note('js low'); } })";
        let lua_low = "expose('lua_low', function()
               local x <close> = setmetatable({}, {__close = function() note('lua low') end})
                 hang() end)";
        let (js_low, lua_low) = (js(&broker, js_low).await, lua(&broker, lua_low).await);
        let limits = Limits::default().deadline(Duration::from_secs(1));
        let lua_top = broker.open("lua").limits(limits.clone()).await.unwrap();
        let js_top = broker.open("js").limits(limits).await.unwrap();
        within(lua_top.eval::<()>(
            "local function top(f) return function()
               local x <close> = setmetatable({}, {__close = function() note('top') end}) f()
                 end end
             expose('lua_js', top(js_low)) expose('lua_js_async', top(js_low_async))",
        ))
        .await
        .unwrap();
        let source = "const top = f => () => { try { f(); } finally { note('top'); } };
             expose('js_lua', top(lua_low)); expose('js_js', top(js_low)); expose('js_js_async',
               top(js_low_async));
             expose('async_lua', async () => { try { await lua_low.async(); } finally {
               note('top'); } });
             expose('async_js', async () => { try { await js_low_async.async(); } finally {
               note('top'); } });
             expose('async_apply', async () => { try { await apply.async(() => hang());
               } finally { note('top'); } });";
        eval::<()>(&js_top, source).await;
        for name in [
            "lua_js",
            "lua_js_async",
            "js_lua",
            "js_js",
            "js_js_async",
            "async_lua",
            "async_js",
            "async_apply",
        ] {
            let result = broker.call::<Value>(name, ()).await;
            assert_eq!(kind(result), ErrorKind::Timeout, "of {name}");
            settle().await;
            let mut lines = log.take();
            lines.sort();
            let low = match name {
                "async_apply" => None,
                "js_lua" | "async_lua" => Some("lua low"),
                _ => Some("js low"),
            };
            let mut wanted: Vec<_> = low.into_iter().collect();
            wanted.extend(["native dropped", "native waits", "top"]);
            assert_eq!(lines, wanted, "of {name}");
            for context in [&js_low, &lua_low, &lua_top, &js_top] {
                at_rest(context).await;
            }
        }
    })
    .await;
}

// C-107, C-137: closing answers all calls, in whatever state they are.
#[tokio::test(start_paused = true)]
async fn closing_answers_calls_that_wait_are_buried_queued_and_awaiting() {
    for shutdown in [false, true] {
        let (log, gate) = (Log::default(), Gate::default());
        let builder = gated(hanging(&log, builder()), "wait_here", &gate);
        inline(builder, async |broker| {
            let source = "expose('plain', () => { try { return wait_here(1); } finally {
              note('plain'); } })
                          expose('waits', async () => { try { return await wait_here.async(1);
                            } finally { note('waits'); } })
                          expose('unsettled', () => globalThis.kept ??= new Promise(() => {}))
                          expose('sets', async () => { await new Promise(f => setTimeout(f, 1e6));
                            })
                          expose('short', () => 1)";
            let context = js(&broker, source).await;
            let lua = lua(&broker, "expose('through', function() return plain() end)").await;
            let mut calls = Vec::new();
            for _ in 0..3 {
                calls.push(spawn(context.call::<Value>("waits", ())));
                calls.push(spawn(context.call::<Value>("unsettled", ())));
                calls.push(spawn(context.call::<Value>("sets", ())));
            }
            gate.arrived(3).await;
            // A root that waits, and on top of it those from Lua; then roots that are queued.
            calls.push(spawn(context.call::<Value>("plain", ())));
            gate.arrived(1).await;
            for _ in 0..3 {
                calls.push(spawn(lua.call::<Value>("through", ())));
                gate.arrived(1).await;
            }
            for _ in 0..5 {
                calls.push(spawn(context.call::<Value>("short", ())));
            }
            let held = context.function("short").unwrap();
            // The waits of the promises are over, and so is that of the buried root.
            settle().await;
            gate.open(4);
            settle().await;
            let done: Vec<_> = calls.iter().map(|call| call.is_finished()).collect();
            assert_eq!(done.iter().filter(|done| **done).count(), 3, "{done:?}");
            let mut kinds = Vec::new();
            match shutdown {
                false => context.close().await,
                true => broker.shutdown(TIMEOUT).await.unwrap(),
            }
            for call in calls {
                kinds
                    .push(call.await.unwrap().map_or_else(|error| error.kind().as_str(), |_| "ok"));
            }
            let ended = if shutdown { "shutdown" } else { "dead" };
            let wanted: Vec<_> =
                (0..18).map(|n| if n < 9 && n % 3 == 0 { "ok" } else { ended }).collect();
            assert_eq!(kinds, wanted);
            assert_eq!(kind(held.call::<Value>(()).await).as_str(), ended);
            assert_eq!(kind(context.eval::<()>("1").await).as_str(), ended);
            assert_eq!(kind(context.usage().await).as_str(), ended);
            // Every script was unwound, once.
            let lines = log.take();
            let count = |text| lines.iter().filter(|line| *line == text).count();
            assert_eq!((count("plain"), count("waits"), lines.len()), (4, 3, 7), "{lines:?}");
        })
        .await;
    }
}

// C-117: an exported async function is awaited by whoever calls it.
#[tokio::test]
async fn an_exported_async_function_is_awaited_by_everybody() {
    let broker = builder().workers(2).build().unwrap();
    let source = "expose('soon', async x => { await later.async(0); return x + 1; })
                  expose('nested', x => Promise.resolve(soon.async(x)))
                  expose('thenable', () => ({ then(f) { f(1); } }))
                  expose('refuses', async () => { await null; throw Object.assign(new Error('no'),
                    { code: 7 }); })
                  expose('rejects', () => Promise.reject('text'))
                  expose('gives', async () => async x => { await null; return x * 2; })
                  expose('unsettled', () => globalThis.kept ??= new Promise(() => {}))
                  expose('hopeless', () => new Promise(() => {}))";
    let js_context = js_named(&broker, "js", 0, source).await;
    let lua = named(&broker, "lua", 1, "").await;
    for (name, wanted) in [("soon", 6), ("nested", 6)] {
        assert_eq!(within(js_context.call::<i64>(name, (5,))).await.unwrap(), wanted, "{name}");
        let source = format!("return {name}(5)");
        assert_eq!(within(lua.eval::<i64>(&source)).await.unwrap(), wanted, "{name} from Lua");
        let source = format!("await (async () => {name}(5) + await {name}.async(5))()");
        assert_eq!(eval::<i64>(&js_context, &source).await, 12, "{name} from JavaScript");
    }
    let error = within(js_context.call::<Value>("refuses", ())).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "no"));
    assert_eq!(error.payload().as_aggregate().unwrap().get_str("code"), Some(&7.into()));
    let caught = "local ok, e = pcall(refuses) return e.kind .. e.message .. e.payload.code";
    assert_eq!(within(lua.eval::<String>(caught)).await.unwrap(), "raisedno7");
    let error = within(js_context.call::<Value>("rejects", ())).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "text"));
    assert_eq!(within(lua.eval::<i64>("return gives()(21)")).await.unwrap(), 42);
    // Nobody is left who could settle it, so nobody has to wait for that.
    let error = within(js_context.call::<Value>("hopeless", ())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Raised);
    assert!(error.message().contains("never be settled"), "{error}");
}

// C-210: a promise that nobody settles ends at the deadline of the callee or that of the caller.
#[tokio::test(start_paused = true)]
async fn a_promise_that_never_settles_ends_at_its_deadline() {
    inline(builder(), async |broker| {
        let source = "expose('unsettled', () => globalThis.kept ??= new Promise(() => {}))";
        let limits = Limits::default().deadline(Duration::from_secs(2));
        let context = broker.open("js").limits(limits.clone()).await.unwrap();
        eval::<()>(&context, source).await;
        assert_eq!(kind(context.call::<Value>("unsettled", ()).await), ErrorKind::Timeout);
        assert_eq!(kind(context.eval::<Value>("await kept").await), ErrorKind::Timeout);
        let source = "expose('lua_waits', function() return patient() end)";
        let _patient =
            js(&broker, "expose('patient', () => globalThis.kept ??= new Promise(() => {}))").await;
        let lua = broker.open("lua").limits(limits).await.unwrap();
        lua.eval::<()>(source).await.unwrap();
        assert_eq!(kind(lua.call::<Value>("lua_waits", ()).await), ErrorKind::Timeout);
        // A plain wait in the same context is not in the way: it is another call.
        assert_eq!(eval::<i64>(&context, "later(5)").await, 5);
        assert_eq!(context.usage().await.unwrap().calls, 0);
    })
    .await;
}
