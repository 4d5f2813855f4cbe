//! What scripts that only compute pay for the limits: tight loops in a context with every limit set
//! and the watchdog at work, each beside the same code in the bare interpreter, in the same run.
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

/// What a ratio may be.
const PROMISED: f64 = 1.05;

/// A context on a worker of its own with every limit set, none of which is met.
fn context(
    runtime: &Runtime,
    engine: &str,
    expose: impl Fn(&str, &str) -> String,
    loops: &[Loop],
) -> (Broker, Context) {
    runtime.block_on(async {
        let limits = Limits::default().memory_bytes(256 << 20).deadline(Duration::from_secs(600));
        let broker = Broker::builder().limits(limits).workers(1).build().unwrap();
        let context = broker.open(engine).await.unwrap();
        for (name, _, code) in loops {
            context.eval::<()>(&expose(&export(name), code)).await.unwrap();
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
    loops: &'static [Loop],
    limited: Run,
    bare: Run,
}

fn sides() -> [Sides; 2] {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let expose = |name: &str, code: &str| format!("expose('{name}', {})", lua(code));
    let host = runtime();
    let (broker, context_lua) = context(&host, "lua", expose, LUA);
    let state = mlua::Lua::new();
    for (name, _, code) in LUA {
        let function: mlua::Function = state.load(format!("return {}", lua(code))).eval().unwrap();
        state.globals().set(*name, function).unwrap();
    }
    let lua = Sides {
        language: "Lua",
        loops: LUA,
        limited: Box::new(move |name, n| {
            let _broker = &broker;
            limited(&host, &context_lua, name, n)
        }),
        bare: Box::new(move |name, n| bare_lua(&state, name, n)),
    };

    let expose = |name: &str, code: &str| format!("expose('{name}', {}); undefined", js(code));
    let host = runtime();
    let (broker, context_js) = context(&host, "js", expose, JS);
    let state = rquickjs::Context::full(&rquickjs::Runtime::new().unwrap()).unwrap();
    state.with(|ctx| {
        for (name, _, code) in JS {
            let function: rquickjs::Function<'_> = ctx.eval(js(code)).unwrap();
            ctx.globals().set(*name, function).unwrap();
        }
    });
    let js = Sides {
        language: "JavaScript",
        loops: JS,
        limited: Box::new(move |name, n| {
            let _broker = &broker;
            limited(&host, &context_js, name, n)
        }),
        bare: Box::new(move |name, n| bare_js(&state, name, n)),
    };
    [lua, js]
}

fn benches(criterion: &mut Criterion) {
    for Sides { language, loops, limited, bare } in sides() {
        for (name, turns, _) in loops {
            let mut group = criterion.benchmark_group(format!("{language}, {name}"));
            let rounds = |run: &dyn Fn(&str, u64) -> Duration, count: u64| -> Duration {
                (0..count).map(|_| run(name, *turns)).sum()
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
        for (name, turns, _) in sides.loops {
            let what = format!("{}, {name}", sides.language);
            if !what.contains(chosen) {
                continue;
            }
            let (ratio, ours, theirs) = ratio(&sides, name, *turns);
            println!(
                "{what:<28} {ours:>7.1} ns / {theirs:>7.1} ns = {ratio:>5.3}x (promised {PROMISED}x)"
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
