//! Each example prints what its first comment says.

#![cfg(all(feature = "lua", feature = "js"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long an example may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

/// What 1,000 requests of 50 ms each may take together, in an unoptimised build too. One after the other
/// they would take ten times as long.
const TOGETHER_MS: u64 = 5_000;

/// A machine that is busy with other things may be late once, not every time.
const TRIES: usize = 3;

/// The program that cargo has built of an example, beside the test's own.
fn program(name: &str) -> PathBuf {
    let mut path = env::current_exe().unwrap();
    // From `target/PROFILE/deps/examples-...`.
    assert!(path.pop() && path.pop());
    path.push("examples");
    path.push(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is not built: a plain `cargo test` builds it, `cargo test --test examples` does not; \
         `cargo build --examples` does",
        path.display()
    );
    path
}

/// Runs an example to its end and returns what it printed.
fn run(name: &str) -> String {
    let mut child =
        Command::new(program(name)).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    // What an example prints fits the pipe, so it never waits for its reader.
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > LONG {
            child.kill().unwrap();
            panic!("{name} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(status.code(), Some(0), "{name} printed:\n{out}");
    out
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The text block in the first comment of an example.
fn promised(name: &str) -> String {
    let path = folder().join(format!("{name}.rs"));
    let text = fs::read_to_string(&path).unwrap();
    let comment = text.lines().map_while(|line| line.strip_prefix("//!"));
    let block = comment.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block =
        block.skip_while(|line| *line != "```text").skip(1).take_while(|line| *line != "```");
    let block: String = block.map(|line| format!("{line}\n")).collect();
    assert!(!block.is_empty(), "{name} does not say what it prints");
    block
}

/// The text with `#` for every number, and the numbers.
fn shape(text: &str) -> (String, Vec<u64>) {
    let (mut shape, mut numbers) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits =
            rest[begin..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - begin);
        shape += &rest[..begin];
        shape.push('#');
        numbers.push(rest[begin..begin + digits].parse().unwrap());
        rest = &rest[begin + digits..];
    }
    (shape + rest, numbers)
}

#[test]
fn embed_prints_what_it_says() {
    assert_eq!(run("embed"), promised("embed"));
}

#[test]
fn host_prints_what_it_says() {
    assert_eq!(run("host"), promised("host"));
}

#[test]
fn service_serves_its_requests_at_the_same_time() {
    let (promised_shape, promised_numbers) = shape(&promised("service"));
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let (shape, mut numbers) = shape(&run("service"));
        assert_eq!(shape, promised_shape);
        // The third number of each line is the time; all others are as promised.
        let (half, mut slowest) = (numbers.len() / 2, 0);
        for at in [2, half + 2] {
            slowest = slowest.max(std::mem::replace(&mut numbers[at], promised_numbers[at]));
        }
        assert_eq!(numbers, promised_numbers);
        took.push(slowest);
        if slowest < TOGETHER_MS {
            return;
        }
    }
    panic!("{took:?} ms, never below {TOGETHER_MS} ms");
}

#[test]
fn every_example_is_run_here() {
    let names = fs::read_dir(folder()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let is_program = path.extension().is_some_and(|extension| extension == "rs");
        is_program.then(|| path.file_stem().unwrap().to_str().unwrap().to_string())
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["embed", "host", "service"]);
}

#[test]
fn a_shape_tells_numbers_from_the_rest() {
    assert_eq!(shape("1000 of 50 ms, user-7\n"), ("# of # ms, user-#\n".into(), vec![1000, 50, 7]));
    assert_eq!(shape("none"), ("none".into(), vec![]));
}
