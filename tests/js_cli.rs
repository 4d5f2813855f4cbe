//! `calog run` with scripts in JavaScript: exit codes, output, and what errors look like.

#![cfg(all(feature = "cli", feature = "lua", feature = "js"))]
// The helpers of a test may fail as the test itself may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
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

fn command(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
    command.current_dir(folder).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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

/// `calog run ARGS...` with `files`.
fn run(files: &[(&str, &str)], args: &[&str]) -> Ran {
    let folder = scripts(files);
    finish(command(&folder, &[&["run"], args].concat()).spawn().unwrap())
}

/// `calog run OPTIONS... main.js`
fn run_main(text: &str, options: &[&str]) -> Ran {
    run(&[("main.js", text)], &[options, &["main.js"]].concat())
}

#[track_caller]
fn assert_ran(ran: &Ran, code: i32, out: &str, err: &str) {
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(code), out, err), "{ran:?}");
}

#[test]
fn hello_world() {
    let files = [("hello.js", "#!/usr/bin/env calog\nconsole.log('hello', { a: [1] }, args)\n")];
    assert_ran(&run(&files, &["hello.js"]), 0, "hello { a: [ 1 ] } []\n", "");
    assert_ran(
        &run(&files, &["hello", "--", "x", "ü"]),
        0,
        "hello { a: [ 1 ] } [ 'x', 'ü' ]\n",
        "",
    );
}

/// C-111, C-004: what one script exports is the other's function, in both directions at once.
#[test]
fn scripts_of_two_languages_call_each_other() {
    let files = [
        ("even.js", "export const even = n => n === 0 || odd(n - 1);"),
        (
            "odd.lua",
            "expose('odd', function(n) return n ~= 0 and even(n - 1) end)
             print(even(10), odd(10), even(7), odd(7))",
        ),
        ("main.js", "print(await even.async(20), odd(20), call('even', 3));"),
    ];
    let out = "true\tfalse\tfalse\ttrue\ntrue false false\n";
    assert_ran(&run(&files, &["even", "odd", "main"]), 0, out, "");
}

/// C-128, C-129: one trace through both scripts, in call order, with the lines.
#[test]
fn an_error_that_crosses_scripts_has_one_trace() {
    let files = [
        ("prices.lua", "expose('price', function(name)\n\terror('no price for ' .. name)\nend)\n"),
        (
            "main.js",
            "const total = name => {\n  return 0 + price(name);\n};\n\
             print('before');\nprint(total('pear'));\nprint('after');\n",
        ),
    ];
    let err = "\
error: raised: prices.lua:2: no price for pear
  js   main.js:5
         | print(total('pear'));
  js   main.js:2     in total
         | return 0 + price(name);
  lua  prices.lua:2
         | error('no price for ' .. name)
";
    assert_ran(&run(&files, &["prices", "main"]), 1, "before\n", err);
    // And the other way.
    let files = [
        (
            "quotes.js",
            "export function quote(id) {\n\
             \x20 throw Object.assign(new TypeError('no ' + id), { code: id });\n}\n",
        ),
        ("main.lua", "local ok, e = pcall(quote, 1)\nprint(ok, e.payload.code)\nquote(2)\n"),
    ];
    let err = "\
error: raised: TypeError: no 2
payload: {code = 2}
  lua  main.lua:3
         | quote(2)
  js   quotes.js:2  in quote
         | throw Object.assign(new TypeError('no ' + id), { code: id });
";
    assert_ran(&run(&files, &["quotes", "main"]), 1, "false\t1\n", err);
}

/// In an imported file too.
#[test]
fn errors_show_their_lines() {
    let ran = run_main("let x = 1;\nlet y = = 2;\n", &[]);
    let err = "\
error: load: main.js:2: unexpected token in expression: '='
  js  main.js:2
        | let y = = 2;
";
    assert_ran(&ran, 1, "", err);

    let main = ("main.js", "import { a } from './lib.js';\nprint('main');\na();\n");
    let files = [
        main,
        ("lib.js", "print('lib');\nexport const a = () => {\n  throw new Error('in lib');\n};\n"),
    ];
    let err = "\
error: raised: in lib
  js  main.js:3
        | a();
  js  lib.js:3   in a
        | throw new Error('in lib');
";
    assert_ran(&run(&files, &["main"]), 1, "lib\nmain\n", err);

    let files = [main, ("lib.js", "\nexport const a = ;\n")];
    let ran = run(&files, &["main"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: load: lib.js:2: "), "{ran:?}");
    assert!(ran.err.ends_with("  js  lib.js:2\n        | export const a = ;\n"), "{ran:?}");

    let ran = run(&[main], &["main"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: not_found: ") && ran.err.contains("lib.js"), "{ran:?}");

    let err = "error: load: empty.js is empty\n";
    assert_ran(&run(&[("empty.js", " \n")], &["empty"]), 1, "", err);
}

/// What is thrown without being an Error has no place, but a kind and a value.
#[test]
fn thrown_values_are_shown() {
    let ran = run_main("throw { code: 42, message: 'bad order', tags: ['a', 'b'] };", &[]);
    let err = "\
error: raised: bad order
payload: {code = 42, message = \"bad order\", tags = {\"a\", \"b\"}}
  js  main.js
";
    assert_ran(&ran, 1, "", err);
    assert_ran(&run_main("throw null;", &[]), 1, "", "error: raised: null\n  js  main.js\n");
    let ran = run_main("throw new Error('outer', { cause: new RangeError('inner') });", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.starts_with("error: raised: outer\npayload: {cause = {"), "{ran:?}");
    assert!(ran.err.contains("RangeError") && ran.err.contains("inner"), "{ran:?}");
}

/// C-147: the program goes on to its end, and its exit code says that something was wrong.
#[test]
fn a_rejection_that_nobody_handles_is_an_error() {
    let text = "const fail = async () => {\n  await null;\n  throw new TypeError('nobody cares');\n};\n\
                fail();\nprint('main');\nsetTimeout(() => print('later'), 5);\n";
    let ran = run_main(text, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "main\nlater\n"), "{ran:?}");
    assert!(ran.err.starts_with("error: raised: TypeError: nobody cares\n"), "{ran:?}");
    assert!(ran.err.contains("  js  main.js:3  in fail\n        | throw new TypeError"), "{ran:?}");
    assert_eq!(ran.err.matches("error:").count(), 1, "told once: {ran:?}");

    let ran = run_main("fs.read.async('/etc/hostname'); print('main');", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "main\n"), "{ran:?}");
    assert!(ran.err.starts_with("error: denied: "), "{ran:?}");

    let handled = "const p = Promise.reject(new Error('x')); p.catch(e => print('caught',
      e.message));
                   try { await fs.read.async('/etc/hostname'); } catch (e) { print(e.kind); }";
    assert_ran(&run_main(handled, &[]), 0, "caught x\ndenied\n", "");
}

/// The same for what a timer throws, each time.
#[test]
fn an_error_in_a_timer_is_an_error() {
    let text = "let n = 0;\n\
                const every = setInterval(() => {\n\
                \x20 if (++n === 3) clearInterval(every);\n\
                \x20 throw new Error('beat ' + n);\n\
                }, 1);\n";
    let ran = run_main(text, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    for n in 1..=3 {
        assert!(ran.err.contains(&format!("error: raised: beat {n}\n")), "{ran:?}");
    }
    assert_eq!(ran.err.matches("  js  main.js:4\n").count(), 3, "{ran:?}");
}

/// Nothing that is under way is cut off by the end of the script.
#[test]
fn the_program_waits_for_timers_and_promises() {
    let text = "setTimeout(() => print('last'), 40);
                setTimeout(async () => { print('first'); await null;
                  setTimeout(() => print('nested'), 5); }, 1);
                (async () => { for (let i = 0; i < 3; i++) { await slow.async(i); print('step',
                  i); } })();
                let n = 0; const every = setInterval(() => { if (++n === 5) clearInterval(every);
                  }, 1);
                Promise.resolve().then(() => print('job'));
                await new Promise(f => setTimeout(f, 2));
                print('main', n >= 0);";
    let slow = "expose('slow', function(v) return wait(v) end)";
    let wait = "export const wait = v => new Promise(f => setTimeout(f, 1, v));";
    let files =
        [("main.js", text), ("slow.lua", slow), ("wait.js", wait), ("next.js", "print('next');")];
    let ran = run(&files, &["wait", "slow", "main", "next"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let mut lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "job", "{ran:?}");
    lines.sort_unstable();
    let wanted =
        ["first", "job", "last", "main true", "nested", "next", "step 0", "step 1", "step 2"];
    assert_eq!(lines, wanted);
    // What was cleared keeps nobody waiting.
    let text = "clearTimeout(setTimeout(() => 1, 1e9)); clearInterval(setInterval(() => 1, 1e9));
      print('end')";
    assert_ran(&run_main(text, &[]), 0, "end\n", "");
}

#[test]
fn exit_ends_at_once() {
    for (text, code) in [
        ("print('before'); exit(3); print('after');", 3),
        ("print('before'); exit(); print('after');", 0),
        ("print('before'); try { exit(4); } catch { print('caught'); } print('after');", 4),
        ("print('before'); await null; exit(5); print('after');", 5),
        (
            "print('before'); setTimeout(() => { exit(6); print('after'); }, 1); setTimeout(print,
          1e9, 'late');",
            6,
        ),
        ("print('before'); setInterval(() => exit(7), 1); await new Promise(() => {});", 7),
        ("print('before'); Promise.resolve().then(() => exit(8)).then(() => print('after'));", 8),
        ("print('before'); [2, 1].sort(() => exit(9)); print('after');", 9),
        ("print('before'); Promise.reject(1); exit(10);", 10),
    ] {
        let ran = run_main(text, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), "before\n"), "of {text}: {ran:?}");
    }
    let files = [
        (
            "deep.js",
            "export const leave = code => { try { exit(code);
          } catch {} print('not reached'); };",
        ),
        ("main.lua", "pcall(leave, 11) print('not reached either')"),
        ("next.js", "print('not loaded');"),
    ];
    assert_ran(&run(&files, &["deep", "main", "next"]), 11, "", "");
    let ran = run_main("exit(256)", &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: range: args[1]: "), "{ran:?}");
}

/// Z-033, Z-035: what computes or waits for ever ends, wherever it does so.
#[test]
fn a_deadline_ends_whatever_takes_too_long() {
    for text in [
        "print('go'); for (;;);",
        "print('go'); for (;;) { try { for (;;); } catch {} finally {} }",
        "print('go'); const f = () => { for (;;) try { f(); } catch {} }; f();",
        "print('go'); await new Promise(() => {});",
        "print('go'); for (;;) await null;",
        "print('go'); [1, 2, 3].sort(() => { for (;;); });",
        "print('go'); function* g() { for (;;) yield 1; } for (const x of g());",
        "print('go'); /(a+)+$/.test('a'.repeat(100) + 'b');",
        "print('go'); setTimeout(() => { for (;;); });",
        "print('go'); setTimeout(async () => { for (;;) await null; });",
        "print('go'); (async () => { for (;;) await null; })();",
        "print('go'); const f = () => queueMicrotask(f); f();",
    ] {
        let ran = run_main(text, &["--deadline", "100ms"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), "go\n"), "of {text}: {ran:?}");
        assert!(ran.err.starts_with("error: timeout: "), "of {text}: {ran:?}");
        assert_eq!(ran.err.matches("error:").count(), 1, "of {text}: {ran:?}");
    }
    let ran = run_main("for (;;);", &["--deadline", "100ms"]);
    assert!(ran.err.contains("\n  js  main.js"), "it says which script: {ran:?}");
    // It is one call's, not the program's: a timer has its own.
    let text = "setTimeout(() => print('late'), 300);";
    assert_ran(&run_main(text, &["--deadline", "100ms"]), 0, "late\n", "");
}

/// C-074.
#[test]
fn a_memory_limit_ends_an_endless_allocation() {
    for text in [
        "const list = []; for (;;) list.push({});",
        "let s = ['x']; for (;;) s = s.concat(s);",
        "let t = {}; for (;;) t = { t };",
        "const list = []; for (;;) { try { for (;;) list.push([1, 2, 3]); } catch (e) { throw e;
          } }",
        "new Uint8Array(1 << 30);",
        "for (let all = [];;) all.push(new ArrayBuffer(1 << 16));",
        "const list = []; setTimeout(() => { for (;;) list.push({}); });",
    ] {
        let ran = run_main(text, &["--memory=8MiB"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "of {text}: {ran:?}");
        assert!(ran.err.starts_with("error: memory: "), "of {text}: {ran:?}");
    }
    // What it can catch leaves it working.
    let text = "let e; try { new Uint8Array(1 << 30); } catch (x) { e = x;
      } print(e instanceof Error);";
    assert_ran(&run_main(text, &["--memory=8MiB"]), 0, "true\n", "");
}

/// What has no end by itself is ended by Ctrl-C, in order.
#[cfg(unix)]
#[test]
fn ctrl_c_closes_in_order() {
    use std::io::{BufRead, BufReader};
    for text in [
        "print('go'); for (;;);",
        "print('go'); for (;;) { try { null.x; } catch {} }",
        "print('go'); setInterval(() => 1, 5);",
        "print('go'); await new Promise(() => {});",
        "print('go'); (async () => { for (;;) await null; })();",
    ] {
        let folder = scripts(&[("main.js", text)]);
        let mut child = command(&folder, &["run", "main"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, first) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            sender.send(out.read_line(&mut line).map(|_| line))
        });
        // The handler is there before a script runs.
        let first = first.recv_timeout(LONG).map(Result::unwrap);
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert_eq!(first.as_deref(), Ok("go\n"), "of {text}");
        assert_ran(&finish(child), 130, "", "");
    }
}

#[test]
fn files_are_read_where_it_is_allowed() {
    let text = "try { print(fs.read(args[0]).length); } catch (e) { print(e.kind); }";
    let files = [("main.js", text), ("secret.txt", "secret")];
    for (options, out) in [(&[][..], "denied\n"), (&["--allow-read=secret.txt"], "6\n")] {
        let ran = run(&files, &[options, &["main", "--", "secret.txt"]].concat());
        assert_ran(&ran, 0, out, "");
    }
}

#[test]
fn lenient_converts_what_strict_refuses() {
    let files = [
        ("a.lua", "expose('kind', function(v) return type(v) end)"),
        ("main.js", "try { print(kind(Symbol('s'))); } catch (e) { print(e.kind); }"),
    ];
    assert_ran(&run(&files, &["a", "main"]), 0, "unrepresentable\n", "");
    assert_ran(&run(&files, &["--lenient", "a", "main"]), 0, "nil\n", "");
}

#[test]
fn an_error_cannot_control_the_terminal() {
    let text = "throw new Error('\\x1b[2J\\x1b]0;title\\x07\\r\\u202e' + 'x\\nerror: y' + 'z'.repeat(1e6));";
    let ran = run_main(text, &[]);
    assert_eq!(ran.code, Some(1));
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!ran.err.contains(control) && !ran.err.contains('\u{202e}'), "{ran:?}");
    assert!(ran.err.starts_with("error: raised: \\u{1b}[2J"), "{ran:?}");
    assert!(ran.err.contains("\n    error: y") && ran.err.len() < 4096, "{ran:?}");
}

#[test]
fn engines_are_listed() {
    let ran = finish(command(&scripts(&[]), &["engines"]).spawn().unwrap());
    assert!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    assert!(ran.out.lines().any(|line| line.split_whitespace().eq(["js", ".js"])), "{ran:?}");
}
