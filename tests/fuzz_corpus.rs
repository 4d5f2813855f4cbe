//! Inputs that the fuzzer kept, since each shows it something new: the same functions run them
//! here.
//!
//! `fuzz/README.md` tells how to look for more.

#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(unreachable_pub, reason = "the targets of another package")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../fuzz/src/basic.rs"]
mod basic;
#[path = "../fuzz/src/operations.rs"]
mod operations;
#[path = "../fuzz/src/sources.rs"]
mod sources;
#[path = "../fuzz/src/values.rs"]
mod values;

use std::{fs, path::Path};

/// Runs everything that is kept for `target`.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() > 10, "hardly anything is kept for {target}");
    for file in files {
        // Shown if it fails.
        println!("{}", file.display());
        run(&fs::read(file).unwrap());
    }
}

#[test]
fn values_that_were_kept() {
    replay("values", values::run);
}

#[test]
fn operations_that_were_kept() {
    replay("operations", operations::run);
}

#[test]
fn sources_that_were_kept() {
    replay("sources", sources::run);
}

#[test]
fn texts_of_basic_that_were_kept() {
    replay("basic_texts", basic::run_text);
}

#[test]
fn programs_of_basic_that_were_kept() {
    replay("basic_programs", basic::run_program);
}
