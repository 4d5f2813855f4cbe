//! `calog run` as its user meets it: exit codes, output, and what errors look like.

#![cfg(all(feature = "cli", feature = "lua"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long anything may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

/// A folder with the scripts of one test.
fn scripts(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Waits for the end of `child`, for a bounded time.
fn finish(child: Child) -> Ran {
    let id = child.id();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("the program did not end");
    };
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `calog ARGS...` in `folder`.
fn calog<A: AsRef<OsStr>>(folder: &TempDir, args: &[A]) -> Ran {
    finish(command(folder).args(args).spawn().unwrap())
}

/// `calog run main` with `main.lua`.
fn run_main(text: &str, options: &[&str]) -> Ran {
    let folder = scripts(&[("main.lua", text)]);
    calog(&folder, &[&["run"], options, &["main"]].concat())
}

fn assert_ran(ran: &Ran, code: i32, out: &str, err: &str) {
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(code), out, err), "{ran:?}");
}

#[test]
fn hello_world() {
    let folder = scripts(&[("hello.lua", "print('hello')")]);
    assert_ran(&calog(&folder, &["run", "hello.lua"]), 0, "hello\n", "");
    assert_ran(&calog(&folder, &["run", "hello"]), 0, "hello\n", "");
}

/// C-111, C-004: what one script exports is the other's function, in both directions at once.
#[test]
fn two_scripts_call_each_other() {
    let folder = scripts(&[
        ("even.lua", "expose('even', function(n) return n == 0 or odd(n - 1) end)"),
        (
            "odd.lua",
            "expose('odd', function(n) return n ~= 0 and even(n - 1) end)
             print(even(10), odd(10), even(7), odd(7))",
        ),
    ]);
    assert_ran(&calog(&folder, &["run", "even", "odd"]), 0, "true\tfalse\tfalse\ttrue\n", "");
}

/// Modules run in order, each to its end, before the main script; twice the same one is two contexts.
#[test]
fn modules_run_in_order() {
    let folder =
        scripts(&[("a.lua", "n = (n or 0) + 1 print('a', n)"), ("main.lua", "print('main', n)")]);
    let ran = calog(&folder, &["run", "a", "a.lua", "main"]);
    assert_ran(&ran, 0, "a\t1\na\t1\nmain\tnil\n", "");
}

#[test]
fn args_are_what_follows_the_dashes() {
    let folder = scripts(&[("main.lua", "print(#args, table.concat(args, '|'))")]);
    assert_ran(&calog(&folder, &["run", "main"]), 0, "0\t\n", "");
    let ran = calog(&folder, &["run", "main", "--", "--deadline", "a b", "", "ü"]);
    assert_ran(&ran, 0, "4\t--deadline|a b||ü\n", "");
}

#[cfg(unix)]
#[test]
fn args_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = scripts(&[("main.lua", "print(#args[1], args[1]:byte(1, -1))")]);
    let args =
        [OsStr::new("run"), OsStr::new("main"), OsStr::new("--"), OsStr::from_bytes(b"a\xff")];
    assert_ran(&calog(&folder, &args), 0, "2\t97\t255\n", "");
}

#[test]
fn a_syntax_error_shows_its_line() {
    let ran = run_main("local x = 1\nlocal y = = 2\n", &[]);
    let err = "\
error: load: main.lua:2: unexpected symbol near '='
  lua  main.lua:2
         | local y = = 2
";
    assert_ran(&ran, 1, "", err);
}

#[test]
fn what_is_no_script_is_an_error() {
    let folder = scripts(&[
        ("empty.lua", ""),
        ("blank.lua", " \n\n"),
        ("main.py", "print(1)"),
        ("main.rs", "fn main() {}"),
    ]);
    fs::create_dir(folder.path().join("sub.lua")).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let engines = "there is lua (.lua), js (.js), basic (.bas)";
    for (script, error) in [
        ("nope", "not_found: no script nope".to_string()),
        ("nope.lua", "not_found: no script nope.lua".to_string()),
        ("sub.lua", "load: sub.lua is a folder, not a script".to_string()),
        (".", "load: . is a folder, not a script".to_string()),
        ("empty.lua", "load: empty.lua is empty".to_string()),
        ("blank", "load: blank.lua is empty".to_string()),
        ("main.py", format!("unsupported: no engine for main.py; {engines}")),
        ("main.rs", format!("unsupported: no engine for main.rs; {engines}")),
    ] {
        let ran = calog(&folder, &["run", script]);
        assert_ran(&ran, 1, "", &format!("error: {error}\n"));
    }
}

#[test]
fn a_script_must_be_utf8() {
    let folder = scripts(&[]);
    fs::write(folder.path().join("main.lua"), b"print(1)\nprint('\xff')\n").unwrap();
    let err = "error: load: main.lua:2: not UTF-8\n    | print('\u{fffd}')\n";
    assert_ran(&calog(&folder, &["run", "main"]), 1, "", err);
}

/// C-128, C-129: one trace through both scripts, in call order, with the lines.
#[test]
fn an_error_that_crosses_scripts_has_one_trace() {
    let folder = scripts(&[
        ("prices.lua", "expose('price', function(name)\n\terror('no price for ' .. name)\nend)\n"),
        (
            "main.lua",
            "local function total(name)\n  local sum = 0 + price(name)\n  return sum\nend\n\
             print('before')\nprint(total('pear'))\nprint('after')\n",
        ),
    ]);
    let ran = calog(&folder, &["run", "prices", "main"]);
    let err = "\
error: raised: prices.lua:2: no price for pear
  lua  main.lua:6
         | print(total('pear'))
  lua  main.lua:2    in total
         | local sum = 0 + price(name)
  lua  prices.lua:2
         | error('no price for ' .. name)
";
    assert_ran(&ran, 1, "before\n", err);
}

#[test]
fn an_error_value_is_shown_as_payload() {
    let ran = run_main("error({code = 42, message = 'bad order', tags = {'a', 'b'}})", &[]);
    assert_eq!(ran.code, Some(1));
    let (first, rest) = ran.err.split_once('\n').unwrap();
    assert_eq!(first, "error: raised: bad order");
    // Lua's tables have no order.
    let payload = rest.lines().next().unwrap();
    assert!(payload.starts_with("payload: {"), "{ran:?}");
    for part in ["code = 42", "message = \"bad order\"", "tags = {\"a\", \"b\"}"] {
        assert!(payload.contains(part), "{ran:?}");
    }
}

#[test]
fn error_nil_is_an_error() {
    let ran = run_main("error(nil)", &[]);
    let err = "error: raised: nil\n  lua  main.lua:1\n         | error(nil)\n";
    assert_ran(&ran, 1, "", err);
}

#[test]
fn exit_ends_at_once() {
    for (call, code) in [("exit()", 0), ("exit(3)", 3), ("exit(255)", 255), ("exit(0)", 0)] {
        let ran = run_main(&format!("print('before') {call} print('after')"), &[]);
        assert_ran(&ran, code, "before\n", "");
    }
}

#[test]
fn exit_takes_only_exit_codes() {
    for code in ["256", "-1", "1 << 40"] {
        let ran = run_main(&format!("print('before') exit({code}) print('after')"), &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), "before\n"), "{ran:?}");
        assert!(ran.err.starts_with("error: range: args[1]: "), "{ran:?}");
        assert!(ran.err.ends_with("\n  native  exit\n"), "{ran:?}");
    }
    let ran = run_main("print(pcall(exit, 'now')) print(pcall(exit, 1, 2))", &[]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("type") && ran.out.contains("arity"), "{ran:?}");
}

/// It is no error that a script could catch, and what called the script does not go on either.
#[test]
fn exit_from_within_a_nested_call() {
    let folder = scripts(&[
        (
            "deep.lua",
            "expose('leave', function(code)
               pcall(function() table.sort({2, 1}, function() exit(code) end) end)
               print('not reached')
             end)",
        ),
        ("main.lua", "pcall(leave, 7) print('not reached either')"),
        ("next.lua", "print('not loaded')"),
    ]);
    assert_ran(&calog(&folder, &["run", "deep", "main", "next"]), 7, "", "");
}

#[test]
fn files_are_read_where_it_is_allowed() {
    let read = "local bytes, e = nil, nil
                local ok, result = pcall(fs.read, args[1])
                print(ok and #result or result.kind)";
    let folder = scripts(&[("main.lua", read), ("secret.txt", "secret")]);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    fs::write(data.join("f"), b"\0\xffx").unwrap();
    fs::write(folder.path().join("more/g"), "12").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.txt", data.join("link")).unwrap();
    for (options, path, out) in [
        (&[][..], "data/f", "denied"),
        (&["--allow-read=data"], "data/f", "3"),
        (&["--allow-read=data"], "./more/../data/f", "3"),
        (&["--allow-read=data"], "data/none", "not_found"),
        (&["--allow-read=data"], "data", "io"),
        (&["--allow-read=data"], "secret.txt", "denied"),
        (&["--allow-read=data"], "data/../secret.txt", "denied"),
        #[cfg(unix)]
        (&["--allow-read=data"], "data/link", "denied"),
        (&["--allow-read=data"], "more/g", "denied"),
        (&["--allow-read=data,more"], "more/g", "2"),
        (&["--allow-read=data", "--allow-read", "more"], "more/g", "2"),
        (&["--allow-read=secret.txt"], "secret.txt", "6"),
    ] {
        let ran = calog(&folder, &[&["run"], options, &["main", "--", path]].concat());
        assert_ran(&ran, 0, &format!("{out}\n"), "");
    }
}

#[test]
fn a_denied_read_names_the_native() {
    let ran = run_main("fs.read('/etc/hostname')", &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.starts_with("error: denied: context `main` may not read /etc/hostname"),
        "{ran:?}"
    );
    assert!(ran.err.ends_with("\n  native  fs.read\n"), "{ran:?}");
}

/// Z-033, Z-035.
#[test]
fn a_deadline_ends_an_endless_loop() {
    let ran = run_main("pcall(function() while true do end end)", &["--deadline", "100ms"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: timeout: "), "{ran:?}");
    assert!(ran.err.contains("\n  lua  main"), "it says which script: {ran:?}");
}

/// C-074.
#[test]
fn a_memory_limit_ends_an_endless_allocation() {
    for script in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t = {t} end",
    ] {
        let ran = run_main(script, &["--memory=8MiB"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.starts_with("error: memory: "), "{ran:?}");
    }
}

#[test]
fn a_limit_counts_for_each_script() {
    let text = "local t = {} for i = 1, 3000 do t[i] = {i} end";
    let folder = scripts(&[("a.lua", text)]);
    assert_ran(&calog(&folder, &["run", "--memory=1MiB", "a", "a", "a", "a"]), 0, "", "");
}

#[test]
fn lenient_converts_what_strict_refuses() {
    let folder = scripts(&[
        ("a.lua", "expose('kind', function(v) return type(v) end)"),
        ("main.lua", "print(pcall(kind, coroutine.create(print)))"),
    ]);
    let strict = calog(&folder, &["run", "a", "main"]);
    assert!(strict.out.contains("false") && strict.out.contains("unrepresentable"), "{strict:?}");
    assert_ran(&calog(&folder, &["run", "--lenient", "a", "main"]), 0, "true\tnil\n", "");
}

#[test]
fn bad_usage_is_exit_code_2() {
    let folder = scripts(&[("main.lua", "print('not run')")]);
    for (args, says) in [
        (&["run", "--frobnicate", "main"][..], "--frobnicate"),
        (&["run"], "SCRIPT"),
        (&["run", "--deadline", "5", "main"], "the unit is missing: 5ms, 5s or 5m"),
        (&["run", "--deadline", "soon", "main"], "500ms, 2s or 1m"),
        (&["run", "--deadline", "0s", "main"], "more than 0"),
        (&["run", "--memory", "64M", "main"], "64MiB"),
        (&["run", "--memory", "0", "main"], "more than 0"),
        (&["run", "--workers", "0", "main"], "1..=1024"),
        (&["frobnicate"], "frobnicate"),
        (&["main.lua"], "calog run main.lua"),
        (&[], "Usage: calog"),
    ] {
        let ran = calog(&folder, args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?} {ran:?}");
        assert!(ran.err.contains(says), "{args:?} {ran:?}");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let folder = scripts(&[]);
    for (args, says) in [
        (&["--help"][..], "calog run prices.lua main"),
        (&["run", "--help"], "expose(name, value)"),
        (&["repl", "--help"], ":names"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let ran = calog(&folder, args);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(ran.out.contains(says), "{args:?} {ran:?}");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 140), "{args:?} {ran:?}");
    }
}

#[test]
fn engines_are_listed() {
    let ran = calog(&scripts(&[]), &["engines"]);
    assert!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    assert!(ran.out.lines().any(|line| line.split_whitespace().eq(["lua", ".lua"])), "{ran:?}");
}

/// S-052: also a script that never waits is ended, in order.
#[cfg(unix)]
#[test]
fn ctrl_c_closes_in_order() {
    use std::io::{BufRead, BufReader};
    for text in ["print('go') while true do end", "print('go') while true do pcall(error) end"] {
        let folder = scripts(&[("main.lua", text)]);
        let mut child = command(&folder).args(["run", "main"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, first) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            sender.send(out.read_line(&mut line).map(|_| line))
        });
        // The handler is there before a script runs.
        let first = first.recv_timeout(LONG).map(Result::unwrap);
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert_eq!(first.as_deref(), Ok("go\n"));
        assert_ran(&finish(child), 130, "", "");
    }
}

#[test]
fn an_error_cannot_control_the_terminal() {
    let text =
        "error('\\27[2J\\27]0;title\\7\\r\\226\\128\\174' .. 'x\\nerror: y' .. ('z'):rep(1e6), 0)";
    let ran = run_main(text, &[]);
    assert_eq!(ran.code, Some(1));
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!ran.err.contains(control) && !ran.err.contains('\u{202e}'), "{ran:?}");
    assert!(ran.err.starts_with("error: raised: \\u{1b}[2J"), "{ran:?}");
    // The second line is indented: it cannot pass for a report of its own.
    assert!(ran.err.contains("\n    error: y"), "{ran:?}");
    assert!(ran.err.len() < 4096);
}

/// What the script itself prints is its own affair: the bytes are not changed.
#[test]
fn output_is_not_changed() {
    let folder = scripts(&[("main.lua", "print('\\27[1m\\255\\0') print('a\\nb')")]);
    let child = command(&folder).args(["run", "main"]).spawn().unwrap();
    let mut out = Vec::new();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    out.extend(ended.recv_timeout(LONG).unwrap().unwrap().stdout);
    assert_eq!(out, b"\x1b[1m\xff\0\na\nb\n");
}

/// As `calog run main | head -1`: it ends by itself, and says nothing.
#[test]
fn a_closed_stdout_ends_the_program() {
    let text = "local i = 0 while true do i = i + 1 print(i) end";
    let folder = scripts(&[("main.lua", text)]);
    let mut child = command(&folder).args(["run", "main"]).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = [0; 2];
    out.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    drop(out);
    assert_ran(&finish(child), 141, "", "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = scripts(&[("main.lua", "print(1) print(2)")]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = finish(command(&folder).args(["run", "main"]).stdout(full).spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: io: stdout: "), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
}
