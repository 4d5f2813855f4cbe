//! All that calog promises about speed, each figure beside its baseline in the same run, as one table of
//! ratios.
//!
//! `cargo bench --bench summary` prints the table and writes it to `target/summary.json`, in a few
//! minutes; after `--`, words choose the rows that contain one of them, of which nothing is written, and
//! `--list` names the rows.
//!
//! Rounds of both sides alternate, and a ratio is the median of the ratios of the pairs, since closed
//! loops across threads depend on what else the machine does by a factor of five. The figures are means
//! of rounds of some ten thousand calls, of which the median is shown; p50 and p99 are of single calls of
//! our side, with the time of a look at the clock in them. Where a script makes the calls, which cannot
//! be timed singly, each is the mean of a batch of ten, with a tenth of a native that looks at the clock.
//! Every answer is checked. Not measured are starts of brokers, and anything beyond one machine.
//!
//! The baselines that need mlua's `send` are a program of their own, `benches/baselines/`, which is built
//! here, since one build cannot have mlua with it and without it.

#![allow(missing_docs, unsafe_code, clippy::unwrap_used, reason = "a bench")]

mod measure;

use measure::{
    Found, Side, bare,
    by_hand::{self, Calls},
    child::{self, Baselines},
    compare, current_thread,
    loops::{Compared, LANGUAGES},
    once,
    ours::{self, Ours, Place},
    timed, yields,
};
use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, LocalSet};

/// A row: its name, its goal as a ratio, how it is found.
type Row = (&'static str, f64, fn(&Bench) -> Result<Found, String>);

const IN_FLIGHT: usize = 128;
const WAITS: u64 = 1000;
const WAIT: Duration = Duration::from_millis(50);

const ROWS: &[Row] = &[
    ("Rust -> Lua, inline / direct mlua", 4.0, |_| {
        let handle = compare(ours::inline_function_calls(), bare::lua_call());
        let floor = compare(bare::lua_call_on_a_fiber(), bare::lua_call());
        let found = compare(ours::inline_calls("lua", 1), bare::lua_call());
        let found = found.beside(line("through a handle", &handle));
        Ok(found.beside(line("nothing but mlua on a fiber", &floor)))
    }),
    ("sync native from Lua / bare mlua", 1.5, |_| {
        Ok(compare(ours::script(Place::Workers(1), "lua", "", "add(s, 1)"), bare::lua_native()))
    }),
    ("sync native from JavaScript / bare rquickjs", 1.5, |_| {
        Ok(compare(ours::script(Place::Workers(1), "js", "", "add(s, 1)"), bare::js_native()))
    }),
    ("async native, inline / mlua's async native", 0.3, |_| async_native(Place::Inline)),
    ("async native, on a worker / mlua's async native", 0.3, |_| async_native(Place::Workers(1))),
    ("Lua -> Lua, one worker / direct mlua", 8.0, |_| {
        Ok(compare(ours::pair("lua", "lua", 1), bare::lua_call()))
    }),
    ("Lua -> JS, one worker / direct mlua", 10.0, |_| {
        Ok(compare(ours::pair("lua", "js", 1), bare::lua_call()))
    }),
    ("JS -> Lua, one worker / direct mlua", 13.0, |_| {
        Ok(compare(ours::pair("js", "lua", 1), bare::lua_call()))
    }),
    ("Lua -> Lua, two workers / by hand", 0.15, |_| {
        Ok(compare(ours::pair("lua", "lua", 2), by_hand::two_threads()))
    }),
    ("Rust -> Lua, closed loop / by hand", 0.2, |_| {
        Ok(compare(ours::asked(Place::Default, 1, 1), by_hand::asked(1, 1, Calls::Sync)))
    }),
    ("Rust -> Lua, closed loop / Mutex<Lua>", 2.0, |bench| bench.against("mutex", 1, 1)),
    ("Rust -> Lua, 128 in flight, 1 context / by hand", 0.8, |_| in_flight(1)),
    ("Rust -> Lua, 128 in flight, 10 contexts / by hand", 0.8, |_| in_flight(10)),
    ("Rust -> Lua, 128 in flight, 1 context / kameo", 1.0, |bench| {
        bench.against("kameo", 1, IN_FLIGHT)
    }),
    ("Rust -> Lua, 128 in flight, 10 contexts / kameo", 1.0, |bench| {
        bench.against("kameo", 10, IN_FLIGHT)
    }),
    ("1,000 waits of 50 ms / bare tokio sleeps", 1.1, |_| {
        let mlua = compare(bare::lua_waits(WAITS, WAIT), sleeps());
        let found = compare(ours::waits(WAITS, WAIT), sleeps());
        Ok(found.beside(line("mlua's call_async and async native", &mlua)))
    }),
    ("1,000 integers Lua -> Rust -> Lua / mlua's serde", 1.0, |_| {
        let list = "list = {} for i = 1, 1000 do list[i] = i end";
        let ours = ours::script(Place::Workers(1), "lua", list, bare::LIST_CALL);
        Ok(compare(ours, bare::lua_list(1000)))
    }),
    ("tight loops under limits, Lua / bare mlua", 1.05, |_| Ok(tight_loops("Lua"))),
    ("tight loops under limits, JS / bare rquickjs", 1.05, |_| Ok(tight_loops("JavaScript"))),
    ("open and close, Lua / bare mlua", 1.3, |_| Ok(open("lua", bare::lua_open))),
    ("open and close, JS / bare rquickjs", 1.3, |_| Ok(open("js", bare::js_open))),
    ("idle, 1,000 contexts: share of a core", 0.01, |_| idle()),
    ("64 callers, 10,000 contexts / 10 contexts", 1.5, |_| {
        let side = |count| ours::asked(Place::Default, count, 64);
        let found = compare(side(10_000), side(10));
        let inline = compare(ours::inline_calls("lua", 10_000), ours::inline_calls("lua", 10));
        let bare = compare(bare::lua_states(10_000), bare::lua_states(10));
        let by_hand = |count| by_hand::asked(count, 64, Calls::Sync);
        let by_hand = compare(by_hand(10_000), by_hand(10));
        let found = found.beside(line("by hand, 64 callers", &by_hand));
        let found = found.beside(line("inline, one caller", &inline));
        Ok(found.beside(line("bare mlua states, one caller", &bare)))
    }),
];

/// A comparison beside that of a row.
fn line(what: &str, Found { ours, theirs, ratio, .. }: &Found) -> String {
    format!("{what}: {ours:.0} ns / {theirs:.0} ns = {ratio:.2}x")
}

/// What rows share.
#[derive(Default)]
struct Bench {
    baselines: OnceCell<Result<Rc<RefCell<Baselines>>, String>>,
}

impl Bench {
    /// Callers against a baseline of the other program.
    fn against(
        &self,
        kind: &'static str,
        contexts: usize,
        callers: usize,
    ) -> Result<Found, String> {
        let start = || Baselines::start().map(|baselines| Rc::new(RefCell::new(baselines)));
        let baselines = self.baselines.get_or_init(start).as_ref().map_err(Clone::clone)?;
        let theirs = || child::side(baselines, kind, contexts, callers);
        let found = compare(ours::asked(Place::Default, contexts, callers), theirs());
        if callers < IN_FLIGHT {
            return Ok(found);
        }
        let hop = compare(by_hand::asked(contexts, callers, Calls::Bare), theirs());
        Ok(found.beside(line(HOP, &hop)))
    }
}

/// Callers and the threads that they ask, by tokio's own channels, and nothing that answers for a script.
const HOP: &str = "by hand, the hop alone";

fn async_native(place: Place) -> Result<Found, String> {
    let (ours, theirs) =
        (ours::script(place, "lua", "", "yields(s)"), bare::lua_async_native(yields));
    let yielding = compare(ours, theirs);
    let found = compare(ours::script(place, "lua", "", "once(s)"), bare::lua_async_native(once));
    Ok(found.beside(line("by tokio's yield_now, for both a pass through its driver", &yielding)))
}

fn in_flight(contexts: usize) -> Result<Found, String> {
    let by_hand = |calls| by_hand::asked(contexts, IN_FLIGHT, calls);
    let hop = compare(by_hand(Calls::Bare), by_hand(Calls::Async));
    let ours = ours::asked(Place::Default, contexts, IN_FLIGHT);
    Ok(compare(ours, by_hand(Calls::Async)).beside(line(HOP, &hop)))
}

/// The loop in the middle of a language's, and the ratios of all.
fn tight_loops(language: &str) -> Found {
    let (.., loops) = LANGUAGES.iter().find(|(name, ..)| *name == language).unwrap();
    let found = |both: Compared| (both.name, compare(both.limited, both.bare));
    let mut all: Vec<_> = loops().into_iter().map(found).collect();
    all.sort_by(|(_, one), (_, other)| one.ratio.total_cmp(&other.ratio));
    let ratios = all.iter().map(|(name, found)| format!("{name} {:.3}x", found.ratio));
    let ratios = ratios.collect::<Vec<_>>().join(", ");
    all.swap_remove(all.len() / 2).1.beside(ratios)
}

fn open(language: &'static str, bare: fn() -> Side) -> Found {
    let worker = compare(ours::open(Place::Workers(1), language), bare());
    let found = compare(ours::open(Place::Inline, language), bare());
    found.beside(line("on a worker", &worker))
}

/// Bare tokio tasks that wait as the calls do.
fn sleeps() -> Side {
    let (runtime, local) = (current_thread(), LocalSet::new());
    Side::untimed(move |n| {
        let all = || {
            local.block_on(&runtime, async {
                let mut tasks = JoinSet::new();
                (0..WAITS).for_each(|_| drop(tasks.spawn_local(tokio::time::sleep(WAIT))));
                tasks.join_all().await;
            });
        };
        timed(|| (0..n).for_each(|_| all()))
    })
}

/// Processor time of this process so far, where the system says so.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    // SAFETY: the system fills the struct, which holds numbers only.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Some(of(usage.ru_utime) + of(usage.ru_stime))
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

/// What a process with 1,000 contexts that were called once takes of a core while nothing is asked: of
/// each second, so many nanoseconds.
fn idle() -> Result<Found, String> {
    let ours = Ours::new(Place::Default);
    let contexts = ours.increments("lua", 1000);
    ours.block_on(async {
        for (context, name) in &contexts {
            assert_eq!(context.call::<i64>(name, (1,)).await.unwrap(), 2);
        }
    });
    let so_far = || processor_time().ok_or("the system does not tell processor time");
    let (start, before) = (Instant::now(), so_far()?);
    std::thread::sleep(Duration::from_secs(6));
    let ratio = (so_far()? - before).as_secs_f64() / start.elapsed().as_secs_f64();
    let (latencies, beside) = (Vec::new(), Vec::new());
    Ok(Found { ratio, ours: ratio * 1e9, theirs: 1e9, latencies, beside })
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    let rows = ROWS.iter().filter(|(name, ..)| is_chosen(name));
    if arguments.iter().any(|argument| argument == "--list") {
        return rows.for_each(|(name, ..)| println!("{name}"));
    }
    println!(
        "{:<52}{:>14}{:>14}{:>9}{:>7}{:>11}{:>11}",
        "ours / baseline", "ours ns", "theirs ns", "ratio", "goal", "p50 us", "p99 us"
    );
    let (bench, start) = (Bench::default(), Instant::now());
    let mut json = Vec::new();
    for (name, goal, find) in rows {
        let found = match find(&bench) {
            Ok(found) => found,
            Err(error) => {
                println!("{name:<52} could not be measured: {error}");
                continue;
            }
        };
        let (p50, p99) = (found.percentile(50), found.percentile(99));
        let verdict = if found.ratio <= *goal { "ok" } else { "over" };
        println!(
            "{name:<52}{:>14.1}{:>14.1}{:>9.3}{goal:>7}{p50:>11.2}{p99:>11.2} {verdict}",
            found.ours, found.theirs, found.ratio
        );
        found.beside.iter().for_each(|line| println!("    {line}"));
        json.push(serde_json::json!({
            "row": name, "ratio": found.ratio, "goal": goal, "p99_us": p99,
        }));
    }
    eprintln!("{:.0} s", start.elapsed().as_secs_f64());
    if words.is_empty() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/target/summary.json");
        std::fs::write(file, serde_json::to_string_pretty(&json).unwrap()).unwrap();
        println!("written to {file}");
    }
}
