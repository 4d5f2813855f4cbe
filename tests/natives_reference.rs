//! The reference of the natives (`docs/natives.md`): its examples are scripts, and those that reach
//! nobody else are run by the program.

#![cfg(all(feature = "lua", feature = "js", feature = "basic", feature = "http", feature = "cli"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, process::Command};

const REFERENCE: &str = include_str!("../docs/natives.md");

/// The parts whose examples need no network.
const RUN: &[&str] = &["timer and time", "fs", "env", "json and text"];

/// One example: the part in which it stands, its language, its text.
struct Example {
    part: &'static str,
    language: &'static str,
    text: String,
}

fn examples() -> Vec<Example> {
    let mut all: Vec<Example> = Vec::new();
    let (mut part, mut is_inside) = ("", false);
    for line in REFERENCE.lines() {
        match line.strip_prefix("```") {
            Some("") => is_inside = false,
            Some(language) => {
                is_inside = true;
                all.push(Example { part, language, text: String::new() });
            }
            None if is_inside => {
                let example = all.last_mut().unwrap();
                example.text += line;
                example.text.push('\n');
            }
            None => part = line.strip_prefix("## ").unwrap_or(part),
        }
    }
    all
}

#[test]
fn the_examples_are_scripts() {
    let examples = examples();
    for part in RUN {
        assert!(examples.iter().any(|example| example.part == *part), "{part} shows nothing");
    }
    for Example { part, language, text } in examples {
        let (extension, unrun) = match language {
            "lua" => ("lua", format!("local function unrun()\n{text}\nend")),
            "js" => ("js", format!("async function unrun() {{\n{text}\n}}")),
            // What stands behind its end is read and never reached; a routine cannot stand in one.
            "basic" => ("bas", format!("END\n{text}")),
            "sh" => continue,
            other => panic!("{part}: what is an example in {other:?}?"),
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("names.txt"), "Ada\nGrace\n").unwrap();
        let script = if RUN.contains(&part) { text.clone() } else { unrun };
        fs::write(folder.path().join(format!("main.{extension}")), script).unwrap();
        let mut calog = Command::new(env!("CARGO_BIN_EXE_calog"));
        let flags = ["--allow-read=.", "--allow-write=.", "--allow-env", "--deadline=60s"];
        let calog = calog.current_dir(folder.path()).arg("run").args(flags);
        let ran = calog.arg(format!("main.{extension}")).output().unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{part}:\n{text}\n{ran:?}");
    }
}
