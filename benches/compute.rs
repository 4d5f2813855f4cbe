//! What scripts that only compute pay for the limits: tight loops in a context with every limit set
//! and the watchdog at work, each beside the same code in the bare interpreter, in the same run.
//! BASIC, whose interpreter is calog's own, is beside Lua: bare mlua doing the same.
//!
//! `cargo bench --bench compute` prints criterion's figures; `cargo bench --bench compute --
//! --ratios` prints only the ratios, each the median of several paired rounds. A word after it
//! chooses the loops whose language or name contains it.

#![allow(missing_docs, reason = "a bench")]

mod measure;

use criterion::Criterion;
use measure::{
    Group, compare,
    loops::{Compared, LANGUAGES},
    median, run,
};

fn benches(criterion: &mut Criterion) {
    for (language, _, loops) in LANGUAGES {
        for Compared { name, limited, bare, .. } in loops() {
            let mut group = Group::new(criterion, &format!("{language}, {name}"));
            group.side("with limits", || limited).side("bare", || bare);
        }
    }
}

fn ratios(chosen: &str) {
    for (language, promised, loops) in LANGUAGES {
        let mut all = Vec::new();
        for Compared { name, turns, limited, bare } in loops() {
            let what = format!("{language}, {name}");
            if !what.contains(chosen) {
                continue;
            }
            let found = compare(limited, bare);
            let (ours, theirs) = (found.ours / turns as f64, found.theirs / turns as f64);
            println!(
                "{what:<28} {ours:>7.1} ns / {theirs:>7.1} ns = {:>5.3}x (promised {promised}x)",
                found.ratio
            );
            all.push(found.ratio);
        }
        if chosen.is_empty() {
            println!("{language:<28} median of all loops {:>20.3}x", median(all));
        }
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--ratios") {
        let words = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
        return ratios(&words.unwrap_or_default());
    }
    run(benches);
}
