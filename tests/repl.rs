//! `calog repl`, driven through a pipe.

#![cfg(all(feature = "cli", feature = "lua"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a session may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

struct Session {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A session with `options` and what is typed in it.
fn session_with(options: &[&str], input: &[u8]) -> Session {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calog"))
        .arg("repl")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A session that ends early does not read the rest.
    thread::spawn(move || stdin.write_all(&input));
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("the session did not end");
    };
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Session { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn session(input: &str) -> Session {
    session_with(&[], input.as_bytes())
}

/// A session that must end well and show exactly `out`.
fn shows(input: &str, out: &str) {
    let session = session(input);
    let expected = (Some(0), out, "");
    assert_eq!((session.code, session.out.as_str(), session.err.as_str()), expected, "{input}");
}

#[test]
fn expressions_are_shown() {
    shows("1 + 1\n", "2\n");
    shows("1 / 2\n3 // 1.0", "0.5\n3.0\n");
    shows("'a' .. \"b\\n\"\n", "\"ab\\n\"\n");
    shows("{1, 'two', {3}}\n{name = 'x'}\n{}\n", "{1, \"two\", {3}}\n{name = \"x\"}\n{}\n");
    shows("print\nnil\nprint('x')\n", "function\nx\n");
    shows("'\\27[2J'\n", "\"\\u{1b}[2J\"\n");
}

#[test]
fn statements_are_run() {
    shows("x = 20\nx = x + 1\nx * 2\n", "42\n");
    shows("local y = 1\ny\nfor i = 1, 2 do print(i) end\n", "1\n2\n");
    shows("-- only a comment\n\n   \nreturn 5\n::label::\n", "5\n");
}

#[test]
fn what_is_not_complete_goes_on() {
    shows("function f(a)\n\n  return a * 2\nend\nf(21)\n", "42\n");
    shows("{\n1,\n2}\n", "{1, 2}\n");
    shows("function(\n)\nend\n", "function\n");
    shows("1 +\n1\n", "2\n");
    shows("s = [[a\n\nb]]\ns\n--[[\ncomment\n]]\n", "\"a\\n\\nb\"\n");
}

#[test]
fn the_session_goes_on_after_an_error() {
    let session =
        session("x = = 1\nerror('boom')\nfunction g()\n  error({code = 7})\nend\nx = g()\n1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "1\n"));
    let err = "\
error: load: input 1:1: unexpected symbol near '='
  lua  input 1:1
         | x = = 1
error: raised: input 2:1: boom
  lua  input 2:1
         | error('boom')
error: raised: ";
    assert!(session.err.starts_with(err), "{}", session.err);
    // The function of input 3, called by input 4.
    let rest = "\npayload: {code = 7}
  lua  input 4:1
         | x = g()
  lua  input 3:2  in g
         | error({code = 7})
";
    assert!(session.err.ends_with(rest), "{}", session.err);
}

/// An expression is not evaluated a second time as a statement because something in it did not load.
#[test]
fn nothing_runs_twice() {
    shows("n = 0\nload('n = n + 1; x = = 1')\n(function() n = n + 1 end)()\nn\n", "1\n");
}

#[test]
fn exports_are_called_across() {
    shows("expose('double', function(x) return 2 * x end)\n:lua\ndouble(21)\n", "42\n");
    shows(
        "expose('config', {depth = 3})\nconfig.depth\nexpose('f', print)\ncall('f', 'hi')\n",
        "3\nhi\n",
    );
}

/// Each language calls what the other exported, and keeps what its inputs declared.
#[test]
fn two_languages_in_one_session() {
    shows(
        "expose('double', function(x) return 2 * x end)
:js
const four = double(2)
let all = await Promise.all([1, 2].map(x => double.async(x)))
all
function triple(x) {
  return 3 * x
}
expose('triple', triple)
{ four, six: triple(2) }
class Point { x = 1 }
new Point
:lua
triple(four or 5)
:js
`two
lines`
four
",
        "{2, 4}\n{four = 4, six = 6}\n{x = 1}\n15\n\"two\\nlines\"\n4\n",
    );
}

/// What is wrong in one language is told with the names of that language, and the session goes on.
#[test]
fn javascript_errors_are_told() {
    let session = session_with(&["--lang=js"], b"let x = = 1\nnull.y\n1 +\n1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "2\n"));
    let err = "error: load: input 1:1: unexpected token in expression: '='
  js  input 1:1
        | let x = = 1
error: raised: TypeError: cannot read property 'y' of null
  js  input 2:1
        | null.y
";
    assert_eq!(session.err, err);
}

#[test]
fn commands() {
    let help = session(":help\n:quit\n1\n");
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.contains(":names") && !help.out.ends_with("1\n"), "{}", help.out);

    shows(":engines\n", "lua\njs\nbasic\n");
    let names = session("expose('mine', 1)\n:names\n");
    let names: Vec<_> = names.out.lines().collect();
    assert!(["exit", "fs.read", "mine"].iter().all(|name| names.contains(name)), "{names:?}");

    let unknown = session(":frob\n1\n");
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(0), "1\n"));
    assert_eq!(unknown.err, "error: not_found: no command `:frob`; :help lists them\n");
}

#[test]
fn the_end_of_the_input_ends_the_session() {
    shows("", "");
    shows("1", "1\n");
    let session = session("1\nfunction f()");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "1\n"));
    assert!(session.err.starts_with("error: load: input 2:1: "), "{}", session.err);
}

#[test]
fn exit_ends_the_session() {
    let session = session("print('a')\nexit(7)\nprint('b')\n");
    assert_eq!((session.code, session.out.as_str()), (Some(7), "a\n"));
}

#[test]
fn options_hold_for_every_input() {
    let session = session_with(&["--deadline", "100ms"], b"while true do end\n1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "1\n"));
    assert!(session.err.starts_with("error: timeout: "), "{}", session.err);

    let session = session_with(&["--memory=4MiB"], b"t = ('x'):rep(1 << 30)\n1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "1\n"));
    assert!(session.err.starts_with("error: memory: "), "{}", session.err);

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let input = format!("#fs.read('{file}') > 0\n");
    let allowed = format!("--allow-read={}", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(session_with(&[&allowed], input.as_bytes()).out, "true\n");
    assert!(session_with(&[], input.as_bytes()).err.starts_with("error: denied: "));
}

#[test]
fn an_unknown_language_is_an_error() {
    let session = session_with(&["--lang", "cobol"], b"1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(1), ""));
    let err = "error: not_found: no language is called `cobol`; `calog engines` lists them\n";
    assert_eq!(session.err, err);
    assert_eq!(session_with(&["--lang", "lua"], b"1\n").out, "1\n");
}

#[test]
fn a_line_that_is_no_text_is_refused() {
    let session = session_with(&[], b"print('\xff')\n1\n");
    assert_eq!((session.code, session.out.as_str()), (Some(0), "1\n"));
    assert_eq!(session.err, "error: load: the line is not UTF-8\n");
}
