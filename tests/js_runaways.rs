//! JavaScript whose single steps take long: loops over slow functions of the library, methods on objects
//! that claim any length, floods of jobs, timers and finalizers. They end at their deadline, and the
//! neighbours on the same worker keep answering.

#![cfg(all(feature = "lua", feature = "js"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Context, ErrorKind, Limits, Value};
use js_support::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The deadline of the runaways.
const DEADLINE: Duration = Duration::from_millis(200);

/// How late an answer may be, theirs or a neighbour's: far more than one step of any of them takes, in a
/// debug build on a busy machine, and far less than 10,000 steps.
const SOON: Duration = Duration::from_secs(5);

const SETUP: &str = "
    const Body = (async () => {}).constructor;
    expose('play', source => new Body(source)());
    expose('echo', x => x);";

const NEIGHBOUR: &str = "expose('ask', x => x)";

/// Bodies of async functions that end only because they are ended.
const SLOW_STEPS: &[&str] = &[
    // Loops whose every step is long.
    "const t = JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ a: i }))); for (;;) JSON.parse(t)",
    "const t = '[' + '1,'.repeat(20000); for (;;) { try { JSON.parse(t) } catch {} }",
    "const o = Array.from({ length: 5000 }, (_, i) => ({ a: i })); for (;;) JSON.stringify(o)",
    "const a = Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5003); for (;;) a.slice().sort()",
    "const s = 'ab'.repeat(2e5); for (;;) s.indexOf('ac')",
    "const s = 'a,'.repeat(1e4); for (;;) s.split(',').join(';')",
    "for (;;) new Array(1e5).fill(0)",
    "for (;;) { let s = ''; for (let i = 0; i < 1e4; i++) s += 'x' + i; s.length }",
    "const b = 'x'.repeat(1e6); for (;;) (b + 'y').charCodeAt(5)",
    "const s = 'a'.repeat(1e5), r = /b/; for (;;) r.exec(s)",
    "const s = 'a'.repeat(1e5); for (;;) s.replace(/a/g, 'b')",
    "const x = 3n ** 5000n; for (;;) x * x",
    "const x = 3n ** 2000n; for (;;) { try { String(x) } finally { continue } }",
    "const a = new Float64Array(1e5); for (;;) a.sort()",
    "const s = 'x'.repeat(1e5); for (;;) new Function(`'${s}'`)",
    "const s = '\\u00e9'.repeat(1e5); for (;;) s.normalize('NFD')",
    "for (;;) try { 'x'.padEnd(2 ** 29) } catch {}",
    // In promise jobs, generators, timers, finalizers.
    "const a = new Array(5000).fill(1); const f = () => Promise.resolve(a.slice().sort()).then(f); await f()",
    "const s = 'ab'.repeat(2e5); for await (const x of (async function* () { for (;;) yield s.indexOf('ac') })());",
    "const s = 'ab'.repeat(2e5); const f = () => { queueMicrotask(f); s.indexOf('ac') }; f(); await never.async()",
    "const s = 'ab'.repeat(2e5); setInterval(() => { for (;;) s.indexOf('ac') }, 1); await never.async()",
    "const s = 'ab'.repeat(2e5); setTimeout(function f() { setTimeout(f, 0); for (let i = 0; i < 100; i++) s.indexOf('ac') }, 0); await never.async()",
    "const r = new FinalizationRegistry(() => { for (;;); }); for (;;) { r.register({}, 1); await null }",
    // While it is ended.
    "const s = 'ab'.repeat(2e5); try { await never.async() } finally { for (;;) s.indexOf('ac') }",
    "const s = 'ab'.repeat(2e5); try { never() } finally { for (;;) { try { s.indexOf('ac') } catch {} } }",
    "const s = 'ab'.repeat(2e5); try { never() } finally { for (const x of (function* () { for (;;) yield s.indexOf('ac') })()); }",
    // Callbacks and conversions.
    "const s = 'ab'.repeat(2e5); [3, 1, 2].sort(() => { for (;;) s.indexOf('ac') })",
    "const s = 'ab'.repeat(2e5); id({ get x() { for (;;) s.indexOf('ac') } })",
    "const s = 'ab'.repeat(2e5); await { then() { for (;;) s.indexOf('ac') } }",
    "const s = 'ab'.repeat(2e5); JSON.stringify({ toJSON() { for (;;) s.indexOf('ac') } })",
    "const s = 'ab'.repeat(2e5); `${{ [Symbol.toPrimitive]() { for (;;) s.indexOf('ac') } }}`",
    // One call that goes through what an object claims to hold.
    "new Array(4e9).indexOf(1)",
    "new Array(4e9).includes(1)",
    "new Array(4e9).join('')",
    "new Array(4e9).toString()",
    "new Array(4e9).slice()",
    "new Array(4e9).splice(0, 1)",
    "new Array(4e9).shift()",
    "new Array(4e9).unshift(1)",
    "new Array(4e9).sort()",
    "new Array(4e9).reverse()",
    "new Array(4e9).copyWithin(0, 1)",
    "new Array(4e9).toLocaleString()",
    "new Array(4e9).flat()",
    "new Array(4e9).flatMap(x => x)",
    "[].concat(new Array(4e9))",
    "const a = []; a[4e9] = 1; a.concat([1])",
    "class A extends Array {} A.from([1]).concat(new A(4e9))",
    "[].reverse.call({ length: 2 ** 53 - 1 })",
    "[].join.call({ get length() { return 2 ** 53 - 1 } }, '')",
    "[].reverse.call(new Proxy({ length: 2 ** 53 - 1 }, {}))",
    "[].splice.call({ length: 2 ** 53 - 1 }, 0, 1)",
    "[].concat({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true })",
    "globalThis.Proxy = function (object) { return object }; [].reverse.call({ length: 2 ** 53 - 1 })",
    "[].concat(Object.create({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true }))",
    "Number.prototype.length = 2 ** 53 - 1; [].shift.call(1)",
    "let a = []; for (let i = 0; i < 60; i++) a = [a, a]; a.flat(Infinity)",
    "let a = []; for (let i = 0; i < 60; i++) a = [a, a]; a.flat(60)",
    "String.raw({ raw: { length: 2 ** 53 - 1 } })",
    "[][Symbol.iterator].call({ length: 2 ** 53 - 1 }).drop(1e15).next()",
    "new Array(4e9).values().drop(Infinity).next()",
    "/^(?:a+)+$/.test('a'.repeat(40) + 'b')",
];

/// Bodies of async functions that fail by themselves, and how.
const REFUSED: &[(&str, ErrorKind)] = &[
    ("new Array(4e9).toSorted()", ErrorKind::Raised),
    ("let s = 'x'; for (;;) s += s", ErrorKind::Raised),
    ("'x'.padEnd(2 ** 29)", ErrorKind::Memory),
    ("Array.from({ length: 2 ** 32 - 1 })", ErrorKind::Memory),
    ("2n ** 2n ** 40n", ErrorKind::Raised),
    ("Math.max(...new Array(1e9))", ErrorKind::Memory),
    ("const f = () => {}; for (;;) setTimeout(f, 1e9)", ErrorKind::Busy),
    ("const f = () => {}; for (;;) setInterval(f, 1e9)", ErrorKind::Busy),
    ("let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)", ErrorKind::Raised),
    ("JSON.parse('['.repeat(1e6))", ErrorKind::Raised),
    ("eval('('.repeat(1e6))", ErrorKind::Raised),
];

/// A worker with a context to play in, and a neighbour that is asked without pause.
struct Worker {
    broker: Broker,
    context: Context,
    over: Arc<AtomicBool>,
    longest: tokio::task::JoinHandle<Duration>,
}

impl Worker {
    async fn new() -> Self {
        // A long call in a debug build on a busy machine must not make the neighbour hear of it.
        let limits = Limits::default().stuck_after(TIMEOUT);
        let broker = builder().limits(limits).build().unwrap();
        let context = js_named(&broker, "js", 0, SETUP).await;
        let neighbour = js_named(&broker, "neighbour", 0, NEIGHBOUR).await;
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let longest = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !is_over.load(Relaxed) {
                let start = Instant::now();
                let echo = within(neighbour.call::<i64>("ask", (5,))).await;
                assert_eq!(echo, Ok(5));
                longest = longest.max(start.elapsed());
                tokio::task::yield_now().await;
            }
            longest
        });
        Self { broker, context, over, longest }
    }

    /// The kind of the error that `source` ends with under a deadline, and how long that took.
    async fn play(&self, source: &str, deadline: Duration) -> (ErrorKind, Duration) {
        let start = Instant::now();
        let call = self.context.call::<Value>("play", (source,)).deadline(deadline);
        let result = within(call).await;
        (kind(result), start.elapsed())
    }

    /// The context is as it was; the longest that its neighbour waited meanwhile.
    async fn end(self) -> Duration {
        let echo = within(self.context.call::<i64>("echo", (5,))).await;
        assert_eq!(echo, Ok(5));
        self.over.store(true, Relaxed);
        let longest = within(self.longest).await.unwrap();
        within(self.broker.shutdown(TIMEOUT)).await.unwrap();
        longest
    }
}

#[tokio::test]
async fn loops_of_long_steps_end_at_their_deadline_and_neighbours_go_on() {
    let mut wrong = Vec::new();
    for source in SLOW_STEPS {
        let worker = Worker::new().await;
        let (kind, took) = worker.play(source, DEADLINE).await;
        let longest = worker.end().await;
        if kind != ErrorKind::Timeout || took > DEADLINE + SOON || longest > SOON {
            wrong.push(format!("{source}\n    {kind} after {took:?}; a neighbour {longest:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_asks_for_too_much_at_once_is_refused() {
    let mut wrong = Vec::new();
    for (source, expected) in REFUSED {
        let worker = Worker::new().await;
        let (kind, took) = worker.play(source, TIMEOUT / 2).await;
        worker.end().await;
        if kind != *expected {
            wrong.push(format!("{source}\n    {kind} after {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// What has no memory left ends, also in the middle of one call that would go on for ever, and what
// catches that finds all as it was.
#[tokio::test]
async fn what_recurses_in_one_call_ends_where_the_memory_does() {
    let limits = Limits::default().memory_bytes(4 << 20);
    let broker = builder().limits(limits).build().unwrap();
    let context = js_named(&broker, "js", 0, SETUP).await;
    for graph in ["a = [a, a]", "a = { a, b: a }", "a = [[], a, a]"] {
        let source = format!(
            "let a = []; for (let i = 0; i < 60; i++) {graph};
             let all = '';
             for (let i = 0; i < 2; i++) {{
               try {{ JSON.stringify(a) }} catch (e) {{ print(e); all += e instanceof Error }}
               const f = n => n && 1 + f(n - 1);
               all += f(200) + JSON.stringify(JSON.parse('[[[1]]]')) + eval('((1))') + /((a))/.test('a');
             }}
             return all"
        );
        let call = context.call::<String>("play", (source,)).deadline(TIMEOUT / 2);
        let result = within(call).await;
        assert_eq!(result.as_deref(), Ok(&*"true200[[[1]]]1true".repeat(2)), "{graph}");
    }
    within(broker.shutdown(TIMEOUT)).await.unwrap();
}

/// What a method makes of an object, as text: the result, the object afterwards, and every access to it.
const TRACED: &str = "
  (name, make, args) => {
    const log = [];
    const object = make();
    const show = key => typeof key === 'symbol' ? key.description : key;
    const watched = new Proxy(object, new Proxy({}, { get: (_, trap) => (...args) => {
      log.push(`${trap} ${show(args[1])}`);
      return Reflect[trap](...args.map(arg => arg === watched ? object : arg));
    } }));
    const text = value => JSON.stringify(value, (_, value) =>
      value === object || value === watched ? 'it' : value === undefined ? 'undefined' : value);
    let result;
    try {
      result = Array.prototype[name].apply(watched, args);
      result = result === watched ? 'the same' : text(result);
    } catch (error) {
      result = String(error);
    }
    return `${result} of ${text(object)} by ${log.join(', ')}`;
  }";

/// Methods with arguments.
const METHODS: &[(&str, &str)] = &[
    ("copyWithin", "[0, 1]"),
    ("flatMap", "[function (x, i, all) { return [this.y, x, i, all] }, { y: 7 }]"),
    ("flatMap", "[1]"),
    ("join", "['-']"),
    ("reverse", "[]"),
    ("shift", "[]"),
    ("slice", "[1, -1]"),
    ("slice", "[]"),
    ("sort", "[]"),
    ("sort", "[(a, b) => b - a]"),
    ("sort", "[1]"),
    ("splice", "[1, 1, 'x', 'y']"),
    ("splice", "[]"),
    ("toLocaleString", "[]"),
    ("unshift", "[8, 9]"),
];

/// Objects that the methods are called on.
const OBJECTS: &[&str] = &[
    "() => [3, 1, 2]",
    "() => [3, , 2, undefined]",
    "() => ({ length: 3, 0: 'a', 2: 'c' })",
    "() => ({})",
    "() => Object.freeze([2, 1])",
    "() => ({ length: -1 })",
    "() => ({ get length() { throw new Error('no length') } })",
    "() => new (class A extends Array {})(1, 2)",
];

/// Expressions on functions with something in front of them, which must be as in a bare interpreter.
const EXPRESSIONS: &[&str] = &[
    "[].concat([1, [2]], 3, 'x', { length: 1, 0: 7, [Symbol.isConcatSpreadable]: true }, { a: 1 })",
    "[].concat.call('ab', ['c'], null, undefined).length",
    "[].concat.call({ length: 1, 0: 7, [Symbol.isConcatSpreadable]: true }, 1)",
    "[1].concat(new Proxy([2, , 3], {}))",
    "[1].concat({ a: 1 }, new Map(), x => x, [2], Object(3)).length",
    "(function () { return [].slice.call(arguments, 1).concat(arguments.length) })(1, 2, 3)",
    "[].slice.call(new Uint8Array([1, 2, 3]), 1)",
    "[].join.call(Object.create({ length: 2, 0: 'a', 1: 'b' }), '+')",
    "[].reverse.call({ length: '2', 0: 'a', 1: 'b' })",
    "Object.assign([1, 2], { [Symbol.isConcatSpreadable]: false }).concat({ a: 1 }).length",
    "[[1, [2, [3, [4]]]], , 5].flat(Infinity)",
    "[[1, [2, [3]]]].flat(2)",
    "[[1, [2, [3]]]].flat('1')",
    "[[1]].flat(-1)",
    "[].flat.call({ length: 2, 0: [1], 1: new Proxy([2, [3]], {}) }, 2)",
    "[].flat.call({ length: 2, constructor: 1, 0: [1] })",
    "new (class A extends Array {})(1, 2).slice(1).constructor.name",
    "[].flat.call(new Proxy(new (class A extends Array {})(1, 2), {}), 5).constructor.name",
    "String.raw`a\\n${1}b${2}`",
    "String.raw({ raw: 'xyz' }, 1, 2)",
    "String.raw({ raw: ['x', 'y'] }, 1)",
    "(raw => raw`\\t`)(String.raw)",
    "[...[1, 2, 3, 4].values().drop(1).drop(1).map(x => x * 2)]",
    "(function* () { yield 1; yield 2 })().drop(1).toArray()",
    "(() => { let s = ''; const g = (function* () { try { yield 1; yield 2 } finally { s += 'end' } })();
       const d = g.drop(1); d.next(); d.return(); return s })()",
    "[].join.call('abc', '-')",
    "['concat', 'flat', 'join', 'slice', 'sort', 'splice'].map(n => [[][n].name, [][n].length, typeof [][n].prototype])",
    "Object.getOwnPropertyNames(Array.prototype).join()",
    "Object.values(Object.getOwnPropertyDescriptor(Array.prototype, 'slice')).slice(1)",
    "Object.values(Object.getOwnPropertyDescriptor(Array.prototype, 'join')).slice(1)",
    "[[].slice, [].sort, String.raw].map(f => { try { new f } catch (e) { return e.message } })",
    "['join', 'slice', 'flat', 'sort', 'concat'].map(n => { try { [][n].call(null) } catch (e) { return e.name } })",
    "[String.raw, [].values().drop].map(f => { try { f() } catch (e) { return e.name } })",
    "[-1, NaN].map(n => { try { [].values().drop(n) } catch (e) { return e.name } })",
    "[1, 2, 3].values().map(x => x).filter(x => x > 1).take(5).flatMap(x => [x, x]).toArray()",
    "[].slice.toString()",
];

// What stands in front of the library is not noticed: results, errors and each access are those of a
// bare interpreter.
#[tokio::test]
async fn what_stands_in_front_of_the_library_is_not_noticed() {
    let broker = builder().build().unwrap();
    let context = js(&broker, "").await;
    let runtime = rquickjs::Runtime::new().unwrap();
    let bare = rquickjs::Context::full(&runtime).unwrap();
    let traced = METHODS.iter().flat_map(|(name, args)| {
        OBJECTS.iter().map(move |object| format!("({TRACED})('{name}', {object}, {args})"))
    });
    let plain = EXPRESSIONS.iter().map(|text| format!("JSON.stringify({text}) + ''"));
    let mut wrong = Vec::new();
    for source in traced.chain(plain) {
        let expected: String = bare.with(|js| js.eval(source.as_str())).unwrap();
        let found = eval::<String>(&context, &source).await;
        if found != expected {
            let place = source.strip_prefix(&format!("({TRACED})")).unwrap_or(&source);
            wrong.push(format!("{place}\n    is {found}\n    not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
