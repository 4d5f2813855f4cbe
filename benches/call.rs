//! What a call costs, each beside what it is compared with, in the same run.
//!
//! `cargo bench --bench call` prints criterion's figures; `cargo bench --bench call -- --ratios` prints only the
//! ratios that calog promises, each the median of several paired rounds.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use calog::{Broker, Context};
use criterion::Criterion;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const LOOPS: &str = "
    function calls(n) local s = 0 for i = 1, n do s = add(s, i) end return s end
    function hops(n) local s = 0 for i = 1, n do s = inc(i) end return s end
    function waits(n) for i = 1, n do ready(i) end return n end
";
const EXPOSE: &str = "expose('calls', calls) expose('hops', hops) expose('waits', waits)";

const JS_LOOPS: &str = "
    function calls(n) { let s = 0; for (let i = 1; i <= n; i++) s = add(s, i); return s }
    function hops(n) { let s = 0; for (let i = 1; i <= n; i++) s = inc(i); return s }
";
const JS_EXPOSE: &str = "expose('calls_js', calls); expose('hops_js', hops)";

/// A JavaScript context with its loops.
fn javascript(runtime: &Runtime, broker: &Broker) -> Context {
    runtime.block_on(async {
        let context = broker.open("js").worker(0).await.unwrap();
        context.eval::<()>(&format!("{JS_LOOPS} {JS_EXPOSE}; undefined")).await.unwrap();
        context
    })
}

/// A broker of one worker, a context with the loops and one that exports `inc`.
fn contexts(runtime: &Runtime, workers: usize) -> (Broker, Context) {
    runtime.block_on(async {
        let broker = Broker::builder()
            .native("add", |a: i64, b: i64| a + b)
            .native_async("ready", |x: i64| async move { x })
            .workers(workers)
            .build()
            .unwrap();
        let callee = broker.open("lua").name("callee").worker(workers - 1).await.unwrap();
        callee.eval::<()>("expose('inc', function(x) return x + 1 end)").await.unwrap();
        let caller = broker.open("lua").name("caller").worker(0).await.unwrap();
        caller.eval::<()>(&format!("{LOOPS} {EXPOSE}")).await.unwrap();
        (broker, caller)
    })
}

/// The time of `n` turns of a loop in the script.
fn script(runtime: &Runtime, context: &Context, name: &str, n: u64) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        context.call::<i64>(name, (n,)).await.unwrap();
        start.elapsed()
    })
}

/// The same loop with bare mlua.
fn bare() -> (mlua::Lua, mlua::Function, mlua::Function) {
    let lua = mlua::Lua::new();
    let add = lua.create_function(|_, (a, b): (i64, i64)| Ok(a + b)).unwrap();
    lua.globals().set("add", add).unwrap();
    lua.load(LOOPS).exec().unwrap();
    let calls = lua.globals().get("calls").unwrap();
    let inc = lua.load("return function(x) return x + 1 end").eval().unwrap();
    (lua, calls, inc)
}

/// The same loop with bare rquickjs.
fn bare_js() -> (rquickjs::Runtime, rquickjs::Context) {
    let js = rquickjs::Runtime::new().unwrap();
    let context = rquickjs::Context::full(&js).unwrap();
    context.with(|ctx| {
        let add = rquickjs::Function::new(ctx.clone(), |a: f64, b: f64| a + b).unwrap();
        ctx.globals().set("add", add).unwrap();
        ctx.eval::<(), _>(JS_LOOPS).unwrap();
    });
    (js, context)
}

fn direct_js(context: &rquickjs::Context, n: u64) -> Duration {
    context.with(|ctx| {
        let calls: rquickjs::Function<'_> = ctx.globals().get("calls").unwrap();
        let start = Instant::now();
        calls.call::<_, f64>((n as f64,)).unwrap();
        start.elapsed()
    })
}

fn direct_loop(calls: &mlua::Function, n: u64) -> Duration {
    let start = Instant::now();
    calls.call::<i64>(n).unwrap();
    start.elapsed()
}

fn direct_calls(inc: &mlua::Function, n: u64) -> Duration {
    let start = Instant::now();
    for i in 0..n {
        inc.call::<i64>(i).unwrap();
    }
    start.elapsed()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn benches(criterion: &mut Criterion) {
    let runtime = runtime();
    let (_one, caller) = contexts(&runtime, 1);
    let (_two, crosser) = contexts(&runtime, 2);
    let (_lua, calls, inc) = bare();
    let mut group = criterion.benchmark_group("native");
    group.bench_function("calog", |b| {
        b.iter_custom(|n| script(&runtime, &caller, "calls", n));
    });
    group.bench_function("bare mlua", |b| b.iter_custom(|n| direct_loop(&calls, n)));
    group.bench_function("calog, async and ready", |b| {
        b.iter_custom(|n| script(&runtime, &caller, "waits", n));
    });
    group.finish();
    let mut group = criterion.benchmark_group("context to context");
    group.bench_function("calog, one worker", |b| {
        b.iter_custom(|n| script(&runtime, &caller, "hops", n));
    });
    group.bench_function("calog, two workers", |b| {
        b.iter_custom(|n| script(&runtime, &crosser, "hops", n));
    });
    group.bench_function("direct mlua call", |b| b.iter_custom(|n| direct_calls(&inc, n)));
    group.finish();
    criterion.bench_function("host to context", |b| {
        b.iter_custom(|n| {
            let call = async {
                let start = Instant::now();
                for _ in 0..n {
                    caller.call::<i64>("calls", (1,)).await.unwrap();
                }
                start.elapsed()
            };
            runtime.block_on(call)
        });
    });
}

/// The median ratio of paired rounds, which holds when the machine's speed drifts, and the two medians.
fn ratio(ours: impl Fn() -> Duration, theirs: impl Fn() -> Duration, n: u64) -> (f64, f64, f64) {
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let pairs: Vec<(f64, f64)> = (0..31)
        .map(|_| (ours().as_nanos() as f64 / n as f64, theirs().as_nanos() as f64 / n as f64))
        .collect();
    let ratios = pairs.iter().map(|(a, b)| a / b).collect();
    let (a, b) = pairs.into_iter().unzip();
    (median(ratios), median(a), median(b))
}

fn ratios() {
    let runtime = runtime();
    let (_one, caller) = contexts(&runtime, 1);
    let (_lua, calls, inc) = bare();
    let print = |what: &str, most: f64, (ratio, ours, theirs): (f64, f64, f64)| {
        println!("{what:<50} {ours:>8.1} ns / {theirs:>6.1} ns = {ratio:>6.2}x (promised {most}x)");
    };
    let n = 100_000;
    let native = ratio(|| script(&runtime, &caller, "calls", n), || direct_loop(&calls, n), n);
    print("sync native from Lua / through bare mlua", 1.5, native);
    let n = 10_000;
    let hop = ratio(|| script(&runtime, &caller, "hops", n), || direct_calls(&inc, n), n);
    print("context to context, one worker / direct mlua call", 8.0, hop);

    let (broker, caller) = contexts(&runtime, 1);
    let js = javascript(&runtime, &broker);
    let (_js, bare) = bare_js();
    let n = 100_000;
    let native = ratio(|| script(&runtime, &js, "calls_js", n), || direct_js(&bare, n), n);
    print("sync native from JavaScript / through bare rquickjs", 1.5, native);
    let n = 10_000;
    let hop = ratio(|| script(&runtime, &js, "hops_js", n), || direct_calls(&inc, n), n);
    print("JavaScript to Lua, one worker / direct mlua call", 13.0, hop);
    runtime.block_on(js.eval::<()>("expose('inc_js', x => x + 1); undefined")).unwrap();
    let far = "expose('hops_far', function(n) for i = 1, n do inc_js(i) end return n end)";
    runtime.block_on(caller.eval::<()>(far)).unwrap();
    let hop = ratio(|| script(&runtime, &caller, "hops_far", n), || direct_calls(&inc, n), n);
    print("Lua to JavaScript, one worker / direct mlua call", 15.0, hop);
}

fn main() {
    if std::env::args().any(|argument| argument == "--ratios") {
        return ratios();
    }
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
