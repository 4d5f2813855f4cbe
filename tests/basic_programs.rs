//! Programs in BASIC, each run by `calog run` and held to the output that stands beside it.
//!
//! In `basic_programs/`, `NAME.bas` is a program, `NAME.in` what it reads, `NAME.out` what it must
//! print, to the byte, and `NAME.err`, if it must fail, what its error must say. A file that is not
//! there is empty. Numbers below 900 are programs that succeed, those from 900 on fail.

#![cfg(all(feature = "cli", feature = "basic"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// How long a program may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

/// How many programs run at a time: they mostly wait for processes to start and end.
const AT_ONCE: usize = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/basic_programs")
}

/// The names of all programs; only the one that the variable `PROGRAM` names, if it is set.
fn names() -> Vec<String> {
    let wanted = std::env::var("PROGRAM").ok();
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let programs = files.filter(|path| path.extension().is_some_and(|e| e == "bas"));
    let names = programs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_string());
    let names: BTreeSet<_> =
        names.filter(|name| wanted.as_ref().is_none_or(|w| name.starts_with(w))).collect();
    names.into_iter().collect()
}

/// What stands in `NAME.EXTENSION`. A checkout may have turned the line ends into CR LF.
fn text(name: &str, extension: &str) -> String {
    let path = folder().join(format!("{name}.{extension}"));
    fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n")
}

/// Runs one program; says what is wrong, if anything is.
fn check(name: &str) -> Option<String> {
    let input = folder().join(format!("{name}.in"));
    let input = File::open(input).map_or_else(|_| Stdio::null(), Stdio::from);
    let child = Command::new(env!("CARGO_BIN_EXE_calog"))
        .current_dir(folder())
        .args(["run", &format!("{name}.bas")])
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        return Some(format!("{name}: it does not end"));
    };
    let output = output.unwrap();

    let (expected, failure) = (text(name, "out"), text(name, "err"));
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let code = if failure.is_empty() { 0 } else { 1 };
    let is_right = printed == expected
        && output.status.code() == Some(code)
        && complaint.contains(failure.trim_end())
        && complaint.is_empty() == failure.is_empty();
    (!is_right).then(|| {
        let fails = if failure.is_empty() { "" } else { ", and failing with " };
        format!(
            "{name}: expected\n{expected}{fails}{failure}----- got\n{printed}----- {}\n{complaint}",
            output.status
        )
    })
}

#[test]
fn every_program_prints_what_it_must() {
    let names = names();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(check(name));
        }
        wrong
    };
    let wrong: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (all, count) = (names.len(), wrong.len());
    assert!(wrong.is_empty(), "{count} of {all} are wrong:\n\n{}", wrong.join("\n"));
}

/// A program that nothing is expected of, or an expectation without a program, tests nothing.
#[test]
fn every_program_has_its_expectation() {
    let is_there = |name: &str, extension| folder().join(format!("{name}.{extension}")).exists();
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let (name, extension) =
            (path.file_stem().unwrap().to_str().unwrap(), path.extension().unwrap());
        match extension.to_str().unwrap() {
            "bas" if name < "900" => assert!(is_there(name, "out"), "no {name}.out"),
            "bas" => assert!(is_there(name, "err"), "no {name}.err"),
            "in" | "out" | "err" => assert!(is_there(name, "bas"), "no {name}.bas"),
            // What programs import.
            "inc" => {}
            _ => panic!("{} is none of the files that belong here", path.display()),
        }
        count += usize::from(extension == "bas");
    }
    assert!(count > 250, "programs got lost: there are {count}");
}
