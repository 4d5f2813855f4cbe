//! What scripts that only compute pay for the limits: tight loops in a context with every limit set
//! and the watchdog at work, each beside the same code in the bare interpreter, in the same run.
//! BASIC, whose interpreter is calog's own, is beside Lua: bare mlua doing the same.
//!
//! `cargo bench --bench compute` prints criterion's figures; `cargo bench --bench compute --
//! --ratios` prints only the ratios, each the median of several paired rounds. A word after it
//! chooses the loops whose language or name contains it.
//!
//! A loop of JavaScript that makes and drops objects may differ by a fifth, either way: QuickJS
//! gives a block of 4 KiB back as soon as nothing is in it, so where one size of object has just
//! filled its blocks, each turn makes a block and drops it. Which side that hits is chance.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use calog::{Broker, Context, Limits};
use criterion::Criterion;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A loop: its name, its turns in one round (some ten milliseconds, so that slices end in it), its
/// code.
type Loop = (&'static str, u64, &'static str);

const LUA: &[Loop] = &[
    ("integers", 2_000_000, "local s = 0 for i = 1, n do s = s + i % 7 * 3 end return s"),
    ("floats", 2_000_000, "local s = 0.5 for i = 1, n do s = s * 0.99 + i / 3 end return s"),
    ("branches", 2_000_000, "local i, s = 0, 0 while i < n do if i % 3 == 0 then s = s + 1 end i = i + 1 end return s"),
    ("table writes", 1_000_000, "local t = {} for i = 1, n do t[i & 1023] = i end return t[1]"),
    ("new tables", 100_000, "local t for i = 1, n do t = { i, i, name = i } end return t.name"),
    ("strings", 100_000, "local t = {} for i = 1, n do t[i & 255] = 'item ' .. i end return #table.concat(t)"),
    ("recursion", 500_000, "local function fib(k) if k < 2 then return k end return fib(k - 1) + fib(k - 2) end
        for _ = 1, n // 3000 do fib(16) end return n"),
    ("closures", 500_000, "local s = 0 for i = 1, n do local f = function(x) return x + i end s = f(s) & 255 end return s"),
    ("methods", 1_000_000, "local class = {} class.__index = class function class:add(x) self.sum = self.sum + x end
        local object = setmetatable({ sum = 0 }, class) for i = 1, n do object:add(i) end return object.sum"),
    ("library", 500_000, "local s = 0 for i = 1, n do s = s + math.floor(i / 2) + select('#', i, s) end return s"),
];

const JS: &[Loop] = &[
    (
        "integers",
        1_000_000,
        "let s = 0; for (let i = 1; i <= n; i++) s = (s + i % 7 * 3) | 0; return s",
    ),
    (
        "floats",
        1_000_000,
        "let s = 0.5; for (let i = 1; i <= n; i++) s = s * 0.99 + i / 3; return s",
    ),
    (
        "branches",
        1_000_000,
        "let i = 0, s = 0; while (i < n) { if (i % 3 === 0) s++; i++ } return s",
    ),
    (
        "array writes",
        1_000_000,
        "const t = new Array(1024).fill(0); for (let i = 1; i <= n; i++) t[i & 1023] = i; return t[1]",
    ),
    (
        "new objects",
        100_000,
        "let t; for (let i = 1; i <= n; i++) t = { a: i, b: [i, i] }; return t.a",
    ),
    (
        "strings",
        100_000,
        "const t = []; for (let i = 1; i <= n; i++) t[i & 255] = `item ${i}`; return t.join('').length",
    ),
    (
        "recursion",
        300_000,
        "const fib = k => k < 2 ? k : fib(k - 1) + fib(k - 2);
        for (let i = 0; i < n / 3000; i++) fib(16); return n",
    ),
    (
        "closures",
        300_000,
        "let s = 0; for (let i = 1; i <= n; i++) { const f = x => x + i; s = f(s) & 255 } return s",
    ),
    (
        "methods",
        500_000,
        "class Sum { sum = 0; add(x) { this.sum += x } } const object = new Sum();
        for (let i = 1; i <= n; i++) object.add(i); return object.sum",
    ),
    (
        "library",
        300_000,
        "let s = 0; for (let i = 1; i <= n; i++) s += Math.floor(i / 2); return s",
    ),
];

/// BASIC, and what Lua does beside it. Most of the code is in a routine, as in any longer program; the
/// variables of `globals` are global ones, as all of the main program are.
const BASIC: &[(&str, u64, &str, &str)] = &[
    (
        "integers",
        1_000_000,
        "def integers(n)\n s = 0\n for i = 1 to n\n s = s + (i mod 7) * 3\n next\n return s\nenddef",
        "local s = 0 for i = 1, n do s = s + i % 7 * 3 end return s",
    ),
    (
        "floats",
        1_000_000,
        "def floats(n)\n s = 0.5\n for i = 1 to n\n s = s * 0.99 + i / 3\n next\n return s\nenddef",
        "local s = 0.5 for i = 1, n do s = s * 0.99 + i / 3 end return s",
    ),
    (
        "branches",
        1_000_000,
        "def branches(n)\n i = 0\n s = 0\n while i < n\n if i mod 3 = 0 then s = s + 1\n i = i + 1\n wend
        return s\nenddef",
        "local i, s = 0, 0 while i < n do if i % 3 == 0 then s = s + 1 end i = i + 1 end return s",
    ),
    (
        "globals",
        1_000_000,
        "rounds = 0\ntotal = 0\nturn = 0\ndef globals(n)\n rounds = n\n total = 0
        for turn = 1 to rounds\n total = total + turn * 2\n next\n return total\nenddef",
        "rounds = n total = 0 for i = 1, rounds do turn = i total = total + turn * 2 end return total",
    ),
    (
        "fib 27",
        832_039,
        "def fib(k)\n if k < 2 then return k\n return fib(k - 1) + fib(k - 2)\nenddef
        def fib_27(n)\n return fib(27)\nenddef",
        "local function fib(k) if k < 2 then return k end return fib(k - 1) + fib(k - 2) end return fib(27)",
    ),
    (
        "sieve",
        1_000_000,
        "def sieve(n)\n size = n + 1\n dim a(size)\n count = 0\n for i = 2 to n\n if a(i) = 0 then\n count = count + 1
        for k = i * i to n step i\n a(k) = 1\n next\n endif\n next\n return count\nenddef",
        "local a = {} for i = 0, n do a[i] = 0 end local count = 0
        for i = 2, n do if a[i] == 0 then count = count + 1 for k = i * i, n, i do a[k] = 1 end end end return count",
    ),
    (
        "text building",
        100_000,
        "def text_building(n)\n s = \"\"\n for i = 1 to n\n s = s + \"item \" + str(i)\n next\n return len(s)\nenddef",
        "local t = {} for i = 1, n do t[i] = 'item ' .. i end return #table.concat(t)",
    ),
    (
        "word count",
        500_000,
        "def word_count(n)\n words = list()\n for i = 1 to 1000\n push(words, \"word \" + str(i * i mod 331))\n next
        d = dict()\n for i = 1 to n / 1000\n for w in words\n if exists(d, w) then\n d(w) = d(w) + 1\n else
        d(w) = 1\n endif\n next\n next\n return len(d)\nenddef",
        "local words = {} for i = 1, 1000 do words[i] = 'word ' .. i * i % 331 end
        local d, count = {}, 0 for i = 1, n // 1000 do for _, w in ipairs(words) do
        if d[w] ~= nil then d[w] = d[w] + 1 else d[w] = 1 count = count + 1 end end end return count",
    ),
    (
        "list writes",
        1_000_000,
        "def list_writes(n)\n t = list(0 to 1023)\n for i = 1 to n\n t(i mod 1024) = i\n next\n return t(1)\nenddef",
        "local t = {} for i = 0, 1023 do t[i] = i end for i = 1, n do t[i % 1024] = i end return t[1]",
    ),
    (
        "lambdas",
        300_000,
        "def lambdas(n)\n s = 0\n for i = 1 to n\n f = lambda (x) (return x + i)\n s = f(s) mod 256\n next\n return s\nenddef",
        "local s = 0 for i = 1, n do local f = function(x) return x + i end s = f(s) % 256 end return s",
    ),
    (
        "methods",
        500_000,
        "class sum_class\n var sum = 0\n def add(x)\n sum = sum + x\n enddef\nendclass
        def methods(n)\n object = new(sum_class)\n for i = 1 to n\n object.add(i)\n next\n return object.sum\nenddef",
        "local class = {} class.__index = class function class:add(x) self.sum = self.sum + x end
        local object = setmetatable({ sum = 0 }, class) for i = 1, n do object:add(i) end return object.sum",
    ),
    (
        "new lists",
        100_000,
        "def new_lists(n)\n for i = 1 to n\n t = list(i, i, i)\n next\n return t(2)\nenddef",
        "local t for i = 1, n do t = { i, i, i } end return t[2]",
    ),
];

/// What a ratio may be.
const PROMISED: f64 = 1.05;

/// The same for BASIC beside Lua.
const PROMISED_BASIC: f64 = 4.0;

/// A context on a worker of its own with every limit set, none of which is met, that has run `texts`.
fn context(runtime: &Runtime, engine: &str, texts: Vec<String>) -> (Broker, Context) {
    runtime.block_on(async {
        let limits = Limits::default().memory_bytes(256 << 20).deadline(Duration::from_secs(600));
        let broker = Broker::builder().limits(limits).workers(1).build().unwrap();
        let context = broker.open(engine).await.unwrap();
        for text in texts {
            context.eval::<()>(&text).await.unwrap();
        }
        (broker, context)
    })
}

/// The name of a loop as one that scripts can write.
fn export(name: &str) -> String {
    name.replace(' ', "_")
}

fn lua(code: &str) -> String {
    format!("function(n) {code} end")
}

fn js(code: &str) -> String {
    format!("(function(n) {{ 'use strict'; {code} }})")
}

/// The time of `n` turns of a loop in the context.
fn limited(runtime: &Runtime, context: &Context, name: &str, n: u64) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        context.call::<f64>(&export(name), (n,)).await.unwrap();
        start.elapsed()
    })
}

/// The same with bare mlua.
fn bare_lua(lua: &mlua::Lua, name: &str, n: u64) -> Duration {
    let function: mlua::Function = lua.globals().get(name).unwrap();
    let start = Instant::now();
    function.call::<f64>(n).unwrap();
    start.elapsed()
}

/// The same with bare rquickjs.
fn bare_js(context: &rquickjs::Context, name: &str, n: u64) -> Duration {
    context.with(|ctx| {
        let function: rquickjs::Function<'_> = ctx.globals().get(name).unwrap();
        let start = Instant::now();
        function.call::<_, f64>((n as f64,)).unwrap();
        start.elapsed()
    })
}

/// The time of a loop by its name, so many turns of it.
type Run = Box<dyn Fn(&str, u64) -> Duration>;

/// Both sides of a language: the loops with their limits, and bare.
struct Sides {
    language: &'static str,
    /// The names of the loops, and their turns.
    loops: Vec<(&'static str, u64)>,
    promised: f64,
    limited: Run,
    bare: Run,
}

fn host() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The loops in a context of their own.
fn limited_run(engine: &str, texts: Vec<String>) -> Run {
    let host = host();
    let (broker, context) = context(&host, engine, texts);
    Box::new(move |name, n| {
        let _broker = &broker;
        limited(&host, &context, name, n)
    })
}

/// The loops in bare mlua.
fn bare_lua_run(loops: impl Iterator<Item = (&'static str, &'static str)>) -> Run {
    let state = mlua::Lua::new();
    for (name, code) in loops {
        let function: mlua::Function = state.load(format!("return {}", lua(code))).eval().unwrap();
        state.globals().set(name, function).unwrap();
    }
    Box::new(move |name, n| bare_lua(&state, name, n))
}

fn lua_sides() -> Sides {
    let text = |(name, _, code): &Loop| format!("expose('{}', {})", export(name), lua(code));
    Sides {
        language: "Lua",
        loops: LUA.iter().map(|(name, turns, _)| (*name, *turns)).collect(),
        promised: PROMISED,
        limited: limited_run("lua", LUA.iter().map(text).collect()),
        bare: bare_lua_run(LUA.iter().map(|(name, _, code)| (*name, *code))),
    }
}

fn js_sides() -> Sides {
    let text =
        |(name, _, code): &Loop| format!("expose('{}', {}); undefined", export(name), js(code));
    let state = rquickjs::Context::full(&rquickjs::Runtime::new().unwrap()).unwrap();
    state.with(|ctx| {
        for (name, _, code) in JS {
            let function: rquickjs::Function<'_> = ctx.eval(js(code)).unwrap();
            ctx.globals().set(*name, function).unwrap();
        }
    });
    Sides {
        language: "JavaScript",
        loops: JS.iter().map(|(name, turns, _)| (*name, *turns)).collect(),
        promised: PROMISED,
        limited: limited_run("js", JS.iter().map(text).collect()),
        bare: Box::new(move |name, n| bare_js(&state, name, n)),
    }
}

fn basic_sides() -> Sides {
    let text = |(name, _, code, _): &(&str, u64, &str, &str)| {
        format!("{code}\nexpose(\"{0}\", {0})", export(name))
    };
    Sides {
        language: "BASIC",
        loops: BASIC.iter().map(|(name, turns, ..)| (*name, *turns)).collect(),
        promised: PROMISED_BASIC,
        limited: limited_run("basic", BASIC.iter().map(text).collect()),
        bare: bare_lua_run(BASIC.iter().map(|(name, _, _, lua)| (*name, *lua))),
    }
}

fn sides() -> [Sides; 3] {
    [lua_sides(), js_sides(), basic_sides()]
}

fn benches(criterion: &mut Criterion) {
    for Sides { language, loops, limited, bare, .. } in sides() {
        for (name, turns) in loops {
            let mut group = criterion.benchmark_group(format!("{language}, {name}"));
            let rounds = |run: &dyn Fn(&str, u64) -> Duration, count: u64| -> Duration {
                (0..count).map(|_| run(name, turns)).sum()
            };
            group.sample_size(10);
            group.bench_function("with limits", |b| b.iter_custom(|count| rounds(&limited, count)));
            group.bench_function("bare", |b| b.iter_custom(|count| rounds(&bare, count)));
            group.finish();
        }
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The median ratio of paired rounds, and both medians in nanoseconds for a turn. Which side is
/// first changes with each pair, so that neither has the warmer machine.
fn ratio(sides: &Sides, name: &str, turns: u64) -> (f64, f64, f64) {
    let (limited, bare) = (|| (sides.limited)(name, turns), || (sides.bare)(name, turns));
    let time = |duration: Duration| duration.as_nanos() as f64 / turns as f64;
    // Both have their code and their heap.
    limited();
    bare();
    let pairs: Vec<(f64, f64)> = (0..31)
        .map(|round| match round % 2 {
            0 => (time(limited()), time(bare())),
            _ => {
                let bare = time(bare());
                (time(limited()), bare)
            }
        })
        .collect();
    let ratios = pairs.iter().map(|(ours, theirs)| ours / theirs).collect();
    let (ours, theirs) = pairs.into_iter().unzip();
    (median(ratios), median(ours), median(theirs))
}

fn ratios(chosen: &str) {
    for sides in sides() {
        let mut all = Vec::new();
        for &(name, turns) in &sides.loops {
            let what = format!("{}, {name}", sides.language);
            if !what.contains(chosen) {
                continue;
            }
            let (ratio, ours, theirs) = ratio(&sides, name, turns);
            let promised = sides.promised;
            println!(
                "{what:<28} {ours:>7.1} ns / {theirs:>7.1} ns = {ratio:>5.3}x (promised {promised}x)"
            );
            all.push(ratio);
        }
        if chosen.is_empty() {
            println!("{:<28} median of all loops {:>20.3}x", sides.language, median(all));
        }
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--ratios") {
        let words = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
        return ratios(&words.unwrap_or_default());
    }
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
