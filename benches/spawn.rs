//! What contexts cost that come and go, each beside the bare interpreter with the same libraries: to
//! open and close one, on the caller's own thread and on a worker, and, printed at the end, the memory
//! that each of a thousand holds after one call. That is what the system counts as resident in a process
//! of its own, with all that allocators keep back; `tests/footprint.rs` counts what is allocated.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod measure;

use criterion::Criterion;
use measure::{
    Group, bare,
    ours::{self, Ours, Place},
    run,
};
use std::process::Command;

const CONTEXTS: usize = 1000;

fn benches(criterion: &mut Criterion) {
    for language in ["lua", "js", "basic"] {
        let mut group = Group::new(criterion, &format!("open and close, {language}"));
        group
            .side("inline", || ours::open(Place::Inline, language))
            .side("on a worker", || ours::open(Place::Workers(1), language));
        match language {
            "lua" => drop(group.side("bare mlua", bare::lua_open)),
            "js" => drop(group.side("bare rquickjs", bare::js_open)),
            _ => {}
        }
    }
}

/// Opens what holds memory, and gives what keeps it there.
type Open = fn() -> Box<dyn std::any::Any>;

fn contexts(language: &str) -> Box<dyn std::any::Any> {
    let ours = Ours::new(Place::Inline);
    let contexts = ours.increments(language, CONTEXTS);
    ours.block_on(async {
        for (context, name) in &contexts {
            assert_eq!(context.call::<i64>(name, (1,)).await.unwrap(), 2);
        }
    });
    Box::new((ours, contexts))
}

const HOLDERS: [(&str, Open); 5] = [
    ("calog, lua", || contexts("lua")),
    ("bare mlua", || {
        let state = |_| {
            let lua = bare::lua();
            let inc: mlua::Function = lua.load(bare::LUA_INC).eval().unwrap();
            assert_eq!(inc.call::<i64>(1).unwrap(), 2);
            (lua, inc)
        };
        Box::new((0..CONTEXTS).map(state).collect::<Vec<_>>())
    }),
    ("calog, js", || contexts("js")),
    ("bare rquickjs", || {
        let state = |_| {
            let context = bare::js();
            let two: i64 = context.with(|ctx| ctx.eval("(x => x + 1)(1)").unwrap());
            assert_eq!(two, 2);
            context
        };
        Box::new((0..CONTEXTS).map(state).collect::<Vec<_>>())
    }),
    ("calog, basic", || contexts("basic")),
];

/// KiB of this process that are resident, where the system says so.
fn resident() -> Option<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What each of a thousand holds, by a process of its own.
fn memory(name: &str) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args(["--memory", name]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [option, name] = &arguments[..]
        && option == "--memory"
    {
        let (_, open) = HOLDERS.iter().find(|(holder, _)| holder == name).unwrap();
        let before = resident().unwrap();
        let _held = open();
        let each = (resident().unwrap() - before) as f64 / CONTEXTS as f64;
        return println!("{each:.1} KiB each");
    }
    run(benches);
    for (name, _) in HOLDERS {
        println!("{name:<16}{}", memory(name).unwrap_or_else(|| "not known here".to_string()));
    }
}
