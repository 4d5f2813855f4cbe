//! The sources keep the order that ARCHITECTURE.md draws: floors, the fence around unsafe code, sizes, words.
//!
//! Each check is a function from sources to the places that break its rule, so that every one is also
//! tried on a source made up to break it: a check that cannot fail proves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules at the top of `src/` with their floors. On one floor, a module may import those that stand
/// before it here.
const MODULES: &[(&str, u8)] = &[
    ("sync", 0),
    ("id", 0),
    ("limits", 0),
    ("error", 0),
    ("value", 0),
    ("permissions", 0),
    ("beat", 1),
    ("fidelity", 1),
    ("chain", 1),
    ("fiber", 1),
    ("resources", 1),
    ("native", 1),
    ("engine", 1),
    ("runtime", 2),
    ("host", 3),
    ("engines", EDGES),
    ("natives", EDGES),
    ("broker", 5),
];

/// On this floor nobody imports a neighbour.
const EDGES: u8 = 4;

/// The one knot: errors carry values, and conversions of values fail with errors.
const KNOT: [&str; 2] = ["error", "value"];

/// What floor 0 has nothing of: tokio, threads, files, sockets, clocks.
const NOT_ON_THE_GROUND: &[&str] =
    &["tokio", "std::thread", "std::fs", "std::net", "std::time::Instant", "std::time::SystemTime"];

/// Crates and modules of others, with the folders that may name them.
const FOREIGN: &[(&str, &[&str])] = &[
    ("mlua", &["src/engines/lua/"]),
    ("rquickjs_sys", &["src/engines/js/"]),
    ("tokio::net", &["src/natives/", "src/remote/"]),
    ("cap_std", &["src/natives/fs/"]),
];

const MOST_LINES: usize = 600;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helpers", "types", "manager"];

/// Put together here, so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
];

/// A change of one of these words is a change for every script.
const KINDS: &[&str] = &[
    "raised",
    "not_found",
    "dead",
    "range",
    "unrepresentable",
    "type",
    "arity",
    "depth",
    "timeout",
    "cancelled",
    "memory",
    "denied",
    "busy",
    "unsupported",
    "load",
    "panicked",
    "transport",
    "shutdown",
    "io",
];

/// A source file: its path from the root of the repository, with slashes, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Its module path: `runtime`, `actor` for `src/runtime/actor.rs`; nothing for the root of a crate.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let path = path.trim_start_matches("bin/calog/");
        let mut module: Vec<_> = path.split('/').collect();
        module.pop_if(|last| matches!(*last, "mod" | "lib" | "main"));
        module
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    fn is_of_the_library(&self) -> bool {
        self.path.ends_with(".rs") && !self.path.starts_with("src/bin/")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder of the repository.
fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let short = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(Source { text: read(&short), path: short });
        }
    }
    assert!(!files.is_empty(), "nothing in {folder}");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// A word or a sign of Rust, with its line.
#[derive(Clone, Debug, PartialEq)]
struct Token {
    line: usize,
    text: String,
}

/// The tokens of Rust source, without comments and without what is in strings and characters.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut at, mut line, mut tokens) = (0, 1, Vec::new());
    while at < chars.len() {
        let begin = at;
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let mut token = None;
        match chars[at] {
            '/' if next == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if next == '*' => at = end_of_block(&chars, at),
            '"' => at = end_of_string(&chars, at),
            // A lifetime is no character: `'a` is not followed by a quote.
            '\'' if next == '\\' => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            c if is_word(c) => {
                while at < chars.len() && is_word(chars[at]) {
                    at += 1;
                }
                let word: String = chars[begin..at].iter().collect();
                match end_of_raw_string(&chars, at) {
                    Some(end) if matches!(word.as_str(), "r" | "br" | "cr") => at = end,
                    _ => token = Some(word),
                }
            }
            ':' if next == ':' => {
                at += 2;
                token = Some("::".into());
            }
            c => {
                at += 1;
                token = (!c.is_whitespace()).then(|| c.to_string());
            }
        }
        tokens.extend(token.map(|text| Token { line, text }));
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Where a block comment ends; they nest.
fn end_of_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where a raw string ends whose quote or signs are at `at`, right after its `r`.
fn end_of_raw_string(chars: &[char], at: usize) -> Option<usize> {
    let signs = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + signs) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', signs)).collect();
    let begin = at + signs + 1;
    let length = chars[begin..].windows(end.len()).position(|window| window == end.as_slice());
    Some(length.map_or(chars.len(), |length| begin + length + end.len()))
}

/// A path that the code names, with `self` and `super` resolved: `crate::a::b`, `tokio::net`.
#[derive(Debug, PartialEq)]
struct Named {
    line: usize,
    path: Vec<String>,
}

/// Every path of `source`: those of its `use` items, one for each leaf of their trees, and those inside of
/// the code.
fn paths(source: &Source) -> Vec<Named> {
    let tokens = tokens(&source.text);
    let mut module: Vec<String> = source.module().iter().map(ToString::to_string).collect();
    // Inline modules, with the depth of braces around each.
    let (mut inline, mut depth) = (Vec::new(), 0);
    let (mut at, mut found) = (0, Vec::new());
    while at < tokens.len() {
        let text = tokens[at].text.as_str();
        let follows = |n: usize, text: &str| tokens.get(at + n).is_some_and(|t| t.text == text);
        if text == "mod" && follows(2, "{") {
            module.push(tokens[at + 1].text.clone());
            inline.push(depth);
        }
        match text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.pop_if(|outside| *outside == depth).is_some() {
                    module.pop();
                }
            }
            _ => {}
        }
        if text == "use" {
            at = use_tree(&tokens, at + 1, &[], &mut found);
            continue;
        }
        if follows(1, "::") && !text.starts_with(|c: char| !c.is_alphabetic() && c != '_') {
            at = use_tree(&tokens, at, &[], &mut found);
            continue;
        }
        at += 1;
    }
    found.into_iter().map(|named| resolved(named, &module)).collect()
}

/// Reads the tree that begins at `at`, under `prefix`, and returns what comes after it. A path inside of
/// code is a tree with one leaf.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    let is_word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" if tokens[at - 1].text == "::" || at == 0 || tokens[at - 1].text == "use" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    let before = at;
                    at = use_tree(tokens, at, &path, found);
                    // The rest of a leaf: a comma, a star, a new name.
                    while tokens
                        .get(at)
                        .is_some_and(|token| !matches!(token.text.as_str(), "," | "}"))
                    {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                    assert!(at > before, "a use tree does not end");
                }
                return at + 1;
            }
            word if is_word(word)
                && (path.len() == prefix.len() || tokens[at - 1].text == "::") =>
            {
                path.push(word.to_string());
                at += 1;
            }
            _ => break,
        }
    }
    found.push(Named { line, path });
    at
}

fn resolved(Named { line, path }: Named, module: &[String]) -> Named {
    let above = path.iter().take_while(|segment| *segment == "super").count();
    let is_here = path.first().is_some_and(|first| first == "self");
    if above == 0 && !is_here {
        return Named { line, path };
    }
    let base = &module[..module.len().saturating_sub(above)];
    let rest = &path[above.max(usize::from(is_here))..];
    let path = std::iter::once("crate").chain(base.iter().chain(rest).map(String::as_str));
    Named { line, path: path.map(String::from).collect() }
}

/// Where the names that `lib.rs` exports come from: `Value` is `value`'s.
fn face(lib: &Source) -> Vec<(String, String)> {
    let exports = paths(lib).into_iter().filter(|named| {
        named.path.len() > 1 && MODULES.iter().any(|(module, _)| *module == named.path[0])
    });
    exports.filter_map(|named| Some((named.path.last()?.clone(), named.path[0].clone()))).collect()
}

/// Imports that go up, sideways where that is not allowed, or from one edge to another.
fn wrong_floors(sources: &[Source]) -> Vec<String> {
    let place = |module: &str| MODULES.iter().position(|(name, _)| *name == module);
    let lib = sources.iter().find(|source| source.path == "src/lib.rs");
    let face = lib.map(face).unwrap_or_default();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.is_of_the_library()) {
        let module = source.module();
        let Some(me) = module.first() else { continue };
        let Some(my_place) = place(me) else {
            wrong.push(format!("{}: `{me}` has no floor", source.path));
            continue;
        };
        for Named { line, path } in paths(source) {
            let [start, name, ..] = path.as_slice() else { continue };
            if start != "crate" {
                continue;
            }
            // What is named by the face is where it was defined.
            let through = face.iter().find(|(export, _)| export == name).map(|(_, from)| from);
            let other = through.unwrap_or(name);
            let text = path.join("::");
            let Some(other_place) = place(other) else {
                wrong.push(format!("{}:{line}: {text} has no floor", source.path));
                continue;
            };
            let (mine, theirs) = (MODULES[my_place].1, MODULES[other_place].1);
            let is_knot = KNOT.contains(me) && KNOT.contains(&other.as_str());
            let is_same_edge = module.len() < 2 || path.get(2).is_none_or(|edge| edge == module[1]);
            let allowed = match other == me {
                true => mine != EDGES || *me != "engines" || is_same_edge,
                false => {
                    is_knot
                        || theirs < mine
                        || theirs == mine && mine != EDGES && other_place < my_place
                }
            };
            if !allowed {
                wrong.push(format!("{}:{line}: `{me}` imports {text}", source.path));
            }
        }
        if MODULES[my_place].1 == 0 && !source.is_test() {
            let names = NOT_ON_THE_GROUND.iter().flat_map(|name| naming(source, name));
            wrong.extend(names.map(|place| format!("{place} on floor 0")));
        }
    }
    wrong
}

/// The places of `source` that name the path `name`, or something below it.
fn naming(source: &Source, name: &str) -> Vec<String> {
    let name: Vec<_> = name.split("::").collect();
    let named =
        |path: &[String]| path.len() >= name.len() && path.iter().zip(&name).all(|(a, b)| a == b);
    let paths = paths(source).into_iter().filter(|found| named(&found.path));
    paths
        .map(|found| format!("{}:{}: {}", source.path, found.line, found.path.join("::")))
        .collect()
}

fn foreign_names(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, folders) in FOREIGN {
        for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
            if folders.iter().any(|folder| source.path.starts_with(folder)) {
                continue;
            }
            wrong.extend(naming(source, name));
            // A crate may also be named without a path: `use mlua;`, `extern crate mlua`.
            let bare = tokens(&source.text).into_iter().filter(|token| token.text == *name);
            wrong.extend(bare.map(|token| format!("{}:{}: {name}", source.path, token.line)));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// Unsafe code outside of the fence.
fn loose_unsafe(sources: &[Source]) -> Vec<String> {
    let fenced = |path: &str| {
        let engine = path.strip_prefix("src/engines/").and_then(|rest| rest.split_once('/'));
        path.starts_with("src/fiber/") || engine.is_some_and(|(_, rest)| rest.starts_with("ffi/"))
    };
    let open = sources.iter().filter(|s| s.path.ends_with(".rs") && !fenced(&s.path));
    let uses = |source: &Source| {
        let found = tokens(&source.text).into_iter();
        let found = found.filter(|token| matches!(token.text.as_str(), "unsafe" | "unsafe_code"));
        let place = |token: Token| format!("{}:{}", source.path, token.line);
        found.map(place).collect::<Vec<_>>()
    };
    open.flat_map(uses).collect()
}

/// Ways of the program past the public face: source files that are not its own.
fn past_the_face(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/bin/")) {
        let tokens = tokens(&source.text);
        for window in tokens.windows(2) {
            let pair = (window[0].text.as_str(), window[1].text.as_str());
            if matches!(pair, ("[", "path") | ("include", "!")) {
                wrong.push(format!("{}:{}: {}", source.path, window[0].line, pair.0));
            }
        }
        for Named { line, path } in paths(source) {
            let [start, name, ..] = path.as_slice() else { continue };
            let own = sources.iter().any(|other| {
                other.path.starts_with("src/bin/") && other.module().first() == Some(&name.as_str())
            });
            if start == "crate" && !own {
                wrong.push(format!("{}:{line}: {}", source.path, path.join("::")));
            }
        }
    }
    wrong
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    let long = sources.iter().filter(|source| lines(source) > MOST_LINES);
    long.map(|source| format!("{} has {} lines", source.path, lines(source))).collect()
}

fn empty_names(sources: &[Source]) -> Vec<String> {
    let is_empty = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    let bad = sources.iter().filter(|source| source.path.split('/').any(is_empty));
    bad.map(|source| source.path.clone()).collect()
}

fn unfinished(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (line, text) in (1..).zip(source.text.lines()) {
            let words = UNFINISHED.iter().filter(|word| text.contains(**word));
            found.extend(words.map(|word| format!("{}:{line}: {word}", source.path)));
        }
    }
    found
}

/// The kinds of errors in the order of their declaration; each must have a line of documentation, else it
/// is given as `word?`.
fn declared_kinds(error: &str) -> Vec<String> {
    let list = error.split_once("\nkinds! {").expect("the list of kinds").1;
    let list = list.split_once("\n}").expect("its end").0;
    let mut kinds = Vec::new();
    let mut is_documented = false;
    for line in list.lines().map(str::trim) {
        if let Some((_, word)) = line.split_once(" = \"") {
            let word = word.trim_end_matches("\",");
            kinds.push(format!("{word}{}", if is_documented { "" } else { "?" }));
        }
        is_documented = line.strip_prefix("///").is_some_and(|text| !text.trim().is_empty());
    }
    kinds
}

/// The texts between backticks of a document, and the targets of its links.
fn mentioned(document: &str) -> Vec<&str> {
    // A block between fences has three backticks, which pair up as well.
    let quoted =
        document.split("```").step_by(2).flat_map(|part| part.split('`').skip(1).step_by(2));
    let links = document.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    quoted.chain(links).collect()
}

/// What a document names that is not there: files, and tests of files (`tests/a.rs::name`).
fn missing(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let folders = ["src/", "tests/", "examples/", "benches/"];
    let mut missing = Vec::new();
    for name in mentioned(document) {
        let (path, test) = name.split_once("::").unwrap_or((name, ""));
        let is_file =
            path.ends_with(".md") || folders.iter().any(|folder| path.starts_with(folder));
        if !is_file || path.contains(' ') {
            continue;
        }
        match read(path) {
            None => missing.push(path.to_string()),
            Some(text) if !test.is_empty() && !has_test(&text, test) => {
                missing.push(name.to_string());
            }
            Some(_) => {}
        }
    }
    missing
}

/// Has the source a function of this name, right after an attribute?
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.split_once('('))
            .is_some_and(|(n, _)| n == name)
    };
    lines.windows(2).any(|pair| pair[0].starts_with("#[") && is_it(pair[1]))
}

/// The sources that the code map leaves out.
fn unmapped(document: &str, sources: &[Source]) -> Vec<String> {
    let map = document.split_once("## Code map").expect("a code map").1;
    let map = map.split_once("\n## ").map_or(map, |(map, _)| map);
    let line = |path: &str| format!("\n- `{path}`: ");
    let out = sources.iter().filter(|source| !map.contains(&line(&source.path)));
    out.map(|source| source.path.clone()).collect()
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The check finds something in a source that was made up to break it, and only there.
#[track_caller]
fn assert_finds(
    check: impl Fn(&[Source]) -> Vec<String>,
    bad: &[(&str, &str)],
    good: &[(&str, &str)],
) {
    for (path, text) in bad {
        let found = check(&[Source::new(path, text)]);
        assert!(found.iter().any(|place| place.contains(path)), "{path}: {text}: {found:?}");
    }
    for (path, text) in good {
        assert_none(&check(&[Source::new(path, text)]));
    }
}

#[test]
fn floors_import_downward() {
    assert_finds(
        wrong_floors,
        &[
            ("src/value/new.rs", "use crate::runtime::Shared;"),
            ("src/value/new.rs", "use crate::{error::Error, native::Native};"),
            ("src/value/new.rs", "fn f() { crate::broker::open() }"),
            ("src/value/new.rs", "use super::super::fiber;"),
            ("src/error.rs", "use super::engine::Engine;"),
            ("src/error.rs", "mod inner { use super::super::host; }"),
            ("src/error.rs", "use tokio::time::{Sleep, sleep};"),
            ("src/error.rs", "use std::{fmt, time::{Duration, Instant}};"),
            ("src/native.rs", "use crate::engine::Scope;"),
            ("src/fiber/turn.rs", "use crate::native::Step;"),
            ("src/runtime/actor.rs", "use crate::host::Host;"),
            ("src/runtime/actor.rs", "use crate::{self as calog, engines};"),
            ("src/engines/lua/mod.rs", "use crate::natives::fs_read;"),
            ("src/engines/lua/ffi/mod.rs", "use crate::engines::basic::Basic;"),
            ("src/natives/fs.rs", "use crate::engines;"),
            ("src/natives/fs.rs", "pub(crate) use crate::broker::*;"),
            ("src/somewhere.rs", "use crate::value::Value;"),
            ("src/id.rs", "use crate::somewhere::Thing;"),
        ],
        &[
            ("src/value/new.rs", "use crate::{error::Error, id::ContextId}; use super::Key;"),
            (
                "src/value/new.rs",
                "/// [`crate::runtime`]\nconst A: &str = \"crate::runtime\"; // crate::host::H",
            ),
            ("src/value/new.rs", "const A: &str = r#\"\" crate::host::H\"#; const B: char = '\"';"),
            (
                "src/value/new.rs",
                "/* /* crate::host::A */ crate::host::B */ fn f<'a>(a: &'a u8) {}",
            ),
            ("src/error.rs", "use crate::value::Value; use std::time::Duration;"),
            ("src/error.rs", "mod a { mod b { use super::super::value::Value; } } use super::id;"),
            ("src/engine.rs", "use crate::{chain::Chain, fiber, native::{Native, Step}};"),
            (
                "src/engines/lua/ffi/mod.rs",
                "use crate::engines::lua::builtin::Builtin; use super::Lua;",
            ),
            (
                "src/broker/builder.rs",
                "use crate::{engines::builtin, natives, host::Host, runtime::Parts};",
            ),
        ],
    );
    // A name of the face counts as the module that it comes from.
    let lib = "mod host; pub use host::Host; pub use value::{Key, Value};";
    let one =
        |text| wrong_floors(&[Source::new("src/lib.rs", lib), Source::new("src/id.rs", text)]);
    assert_eq!(one("use crate::Value;"), ["src/id.rs:1: `id` imports crate::Value"]);
    assert_eq!(one("use crate::Host;"), ["src/id.rs:1: `id` imports crate::Host"]);
    let sources = sources("src");
    let tops = sources.iter().filter(|source| source.is_of_the_library());
    let tops: Vec<_> = tops.filter_map(|source| source.module().first().copied()).collect();
    let gone = MODULES.iter().filter(|(module, _)| !tops.contains(module));
    assert_none(&gone.map(|(module, _)| format!("`{module}` is gone")).collect::<Vec<_>>());
    // No file derails the reading: what is wrong at its end is still seen, on its line.
    for source in sources.iter().filter(|source| source.is_of_the_library()) {
        if source.module().is_empty() {
            continue;
        }
        let text = format!("{}\nuse crate::nowhere::Thing;\n", source.text);
        let wanted =
            format!("{}:{}: crate::nowhere::Thing has no floor", source.path, text.lines().count());
        assert!(wrong_floors(&[Source::new(&source.path, &text)]).contains(&wanted), "{wanted}");
    }
    assert_none(&wrong_floors(&sources));
}

#[test]
fn foreign_crates_are_named_only_where_they_belong() {
    assert_finds(
        foreign_names,
        &[
            ("src/runtime/actor.rs", "use mlua::Lua;"),
            ("src/engines/basic/mod.rs", "fn f(_: mlua::Lua) {}"),
            ("src/lib.rs", "extern crate mlua;"),
            ("src/runtime/actor.rs", "use tokio::{net::TcpStream, sync::oneshot};"),
            ("src/bin/calog/run.rs", "fn f() { tokio::net::lookup_host(\"a\") }"),
        ],
        &[
            ("src/engines/lua/ffi/mod.rs", "use mlua::ffi::*;"),
            ("src/natives/net.rs", "use tokio::net::TcpStream;"),
            (
                "src/runtime/actor.rs",
                "// Not mlua's.\nuse std::net::IpAddr; use tokio::sync::oneshot;",
            ),
        ],
    );
    assert_none(&foreign_names(&sources("src")));
}

#[test]
fn unsafe_code_stays_inside_the_fence() {
    assert_finds(
        loose_unsafe,
        &[
            ("src/runtime/actor.rs", "fn f() { unsafe { g() } }"),
            ("src/engines/lua/mod.rs", "unsafe impl Send for A {}"),
            ("src/engines/ffi/mod.rs", "unsafe fn f() {}"),
            ("src/host.rs", "#![allow(unsafe_code)]"),
        ],
        &[
            ("src/fiber/mod.rs", "unsafe { f() }"),
            ("src/engines/lua/ffi/hook.rs", "unsafe { f() }"),
            ("src/host.rs", "// This would be unsafe.\nconst A: &str = \"unsafe\";"),
        ],
    );
    assert_none(&loose_unsafe(&sources("src")));
}

#[test]
fn the_program_uses_only_the_face() {
    assert_finds(
        past_the_face,
        &[
            ("src/bin/calog/run.rs", "#[path = \"../../runtime/mod.rs\"] mod runtime;"),
            ("src/bin/calog/run.rs", "include!(\"../../id.rs\");"),
            ("src/bin/calog/run.rs", "use crate::runtime::Shared;"),
        ],
        &[("src/bin/calog/run.rs", "use crate::run::Run; use calog::Broker; use std::path::Path;")],
    );
    assert_none(&past_the_face(&sources("src")));
}

#[test]
fn no_file_is_too_long() {
    let (longest, longer) = ("\n".repeat(MOST_LINES), "\n".repeat(MOST_LINES + 1));
    assert_finds(long_files, &[("src/host.rs", &longer)], &[("src/host.rs", &longest)]);
    assert_none(&long_files(&sources("src")));
}

#[test]
fn every_module_has_a_telling_name() {
    let bad = [("src/util.rs", ""), ("src/runtime/helpers.rs", ""), ("src/common/mod.rs", "")];
    assert_finds(empty_names, &bad, &[("src/utility.rs", ""), ("src/manager_of_none.rs", "")]);
    assert_none(&empty_names(&sources("src")));
}

#[test]
fn nothing_is_left_unfinished() {
    let text: Vec<_> = UNFINISHED.iter().map(|word| format!("fn f() {{}} // {word}")).collect();
    let bad: Vec<_> = text.iter().map(|text| ("src/host.rs", text.as_str())).collect();
    assert_finds(
        unfinished,
        &bad,
        &[("src/host.rs", "// Nothing is to do, no method unimplemented.")],
    );
    for folder in ["src", "tests", "examples", "benches"] {
        assert_none(&unfinished(&sources(folder)));
    }
}

#[test]
fn error_kinds_are_pinned_and_documented() {
    let made_up =
        "\nkinds! {\n    /// Said.\n    A = \"a\",\n    B = \"b\",\n    ///\n    C = \"c\",\n}\n";
    assert_eq!(declared_kinds(made_up), ["a", "b?", "c?"]);
    assert_eq!(declared_kinds(&read("src/error.rs")), KINDS);
    let all: Vec<_> = calog::ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(all, KINDS);
    for word in KINDS {
        assert_eq!(word.parse::<calog::ErrorKind>().unwrap().as_str(), *word);
    }
}

#[test]
fn the_architecture_names_what_is_there() {
    let there = |path: &str| (path == "tests/a.rs").then(|| "#[test]\nfn one() {\n".to_string());
    let made_up = "`tests/a.rs`, `tests/a.rs::one`, `src/value/`, [a](src/a.rs), `tests/a.rs::two`, `tests/b.rs`";
    let gone = ["src/value/", "tests/a.rs::two", "tests/b.rs", "src/a.rs"];
    assert_eq!(missing(made_up, there), gone);
    let document = read("ARCHITECTURE.md");
    let there = |path: &str| {
        let whole = root().join(path);
        if whole.is_dir() { Some(String::new()) } else { fs::read_to_string(whole).ok() }
    };
    assert_none(&missing(&document, there));
    for other in ["README.md", "SECURITY.md", "CHANGELOG.md"] {
        assert_none(&missing(&read(other), there));
    }

    let map = "## Code map\n\n- `src/a.rs`: A.\n\n## Next\n\n- `src/b.rs`: B.\n";
    let two = [Source::new("src/a.rs", ""), Source::new("src/b.rs", "")];
    assert_eq!(unmapped(map, &two), ["src/b.rs"]);
    assert_none(&unmapped(&document, &sources("src")));
    let lines = document.lines().count();
    assert!(lines <= 540, "a map that is read has no {lines} lines");
}
