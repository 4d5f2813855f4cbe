//! The programs in `docs/basic.md` print what stands below them.

#![cfg(all(feature = "cli", feature = "basic", feature = "lua"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A block between fences: its language, the line it begins at, its text.
struct Block {
    language: String,
    line: usize,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (line, text) in (1..).zip(document.lines()) {
        match text.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                blocks.push(Block { language: language.into(), line, text: String::new() });
            }
            None if inside => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(text);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "the last block is not closed");
    blocks
}

/// What somebody sees who runs `program` after `before`: what is printed, and the first line of the
/// error.
fn run(program: &str, before: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("program.bas"), program).unwrap();
    let mut scripts = vec!["program.bas"];
    if let Some(before) = before {
        fs::write(folder.path().join("before.lua"), before).unwrap();
        scripts.insert(0, "before.lua");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_calog"))
        .current_dir(&folder)
        .args(["run", "--deadline", "60s"])
        .args(scripts)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut seen = String::from_utf8(output.stdout).unwrap();
    if let Some(error) = String::from_utf8(output.stderr).unwrap().lines().next() {
        seen.push_str(error);
        seen.push('\n');
    }
    seen
}

#[test]
fn every_program_of_the_reference_prints_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/basic.md");
    let document = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let blocks = blocks(&document);
    let mut wrong = Vec::new();
    let mut count = 0;
    for (at, program) in blocks.iter().enumerate().filter(|(_, block)| block.language == "basic") {
        let expected = blocks.get(at + 1).filter(|next| next.language == "text");
        let expected = expected.unwrap_or_else(|| {
            panic!("line {}: nothing says what the program prints", program.line)
        });
        let before = at.checked_sub(1).map(|before| &blocks[before]);
        let before = before.filter(|block| block.language == "lua").map(|block| &*block.text);
        let seen = run(&program.text, before);
        // What is wrong in this case follows the text of an error's code.
        let is_right = seen == expected.text
            || expected.text.lines().last().is_some_and(|last| last.starts_with("error: "))
                && seen.starts_with(expected.text.trim_end());
        if !is_right {
            let (line, expected) = (program.line, &expected.text);
            wrong.push(format!("line {line}: expected\n{expected}----- got\n{seen}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "the reference has lost programs: there are {count}");
}
