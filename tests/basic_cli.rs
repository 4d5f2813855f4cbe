//! BASIC in the program `calog`: text without an end of line, input, and a session.

#![cfg(all(feature = "cli", feature = "basic", unix))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// How long anything may take: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder with the scripts of one test.
fn scripts(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `calog ARGS...` in `folder`, whose stdin is a pipe.
fn spawn(folder: &TempDir, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
    command.current_dir(folder).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of `child`, for a bounded time. Its stdin stays open until then, if it was not
/// taken.
fn finish(mut child: Child) -> Ran {
    let (id, stdin) = (child.id(), child.stdin.take());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(LONG) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        panic!("the program did not end");
    };
    drop(stdin);
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The same with all of its input.
fn finish_with(mut child: Child, input: &[u8]) -> Ran {
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A program that ends early does not read the rest.
    thread::spawn(move || stdin.write_all(&input));
    finish(child)
}

/// `calog run main` with `main.bas`.
fn run(text: &str, input: &str) -> Ran {
    let folder = scripts(&[("main.bas", text)]);
    finish_with(spawn(&folder, &["run", "main"]), input.as_bytes())
}

fn assert_ran(ran: &Ran, code: i32, out: &str, err: &str) {
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(code), out, err), "{ran:?}");
}

/// The stdout of `child`, byte by byte.
fn stdout_of(child: &mut Child) -> mpsc::Receiver<u8> {
    let (sender, bytes) = mpsc::channel();
    let out = child.stdout.take().unwrap();
    thread::spawn(move || {
        std::io::BufReader::new(out)
            .bytes()
            .map_while(Result::ok)
            .try_for_each(|byte| sender.send(byte))
    });
    bytes
}

/// What comes next must be exactly `text`.
fn expect(out: &mpsc::Receiver<u8>, text: &str) {
    let next = || out.recv_timeout(LONG).expect("there should have been more");
    let seen: Vec<u8> = text.bytes().map(|_| next()).collect();
    assert_eq!(String::from_utf8_lossy(&seen), text);
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

#[test]
fn text_is_written_as_it_is() {
    assert_ran(&run("print \"a\", \"b\"; \"c\";\nprint 1, 2\n", ""), 0, "ab\nc\n12", "");
    // Also where the program ends in the middle of a line.
    assert_ran(
        &run("print \"bye\",\nquit = call(\"exit\")\nquit(3)\nprint \"no\";", ""),
        3,
        "bye",
        "",
    );
    let failed = run("print \"half\",\nx = 1 + \"a\"\n", "");
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), "half"), "{failed:?}");
}

#[test]
fn input_reads_lines_of_stdin() {
    let program = "input \"N: \", n\nprint n + 1;\ninput s$\nprint s$;\ninput t\nprint t;\n";
    assert_ran(&run(program, "42\nhello world\r\n2.5"), 0, "N: 43\nhello world\n2.5\n", "");
    // The end of the input ends the program.
    let ended = run("print \"a\";\ninput n\nprint \"no\";\n", "");
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), "a\n"), "{ended:?}");
}

#[test]
fn contexts_read_from_one_stdin_in_their_order() {
    let folder = scripts(&[
        (
            "first.bas",
            "input a$\ninput b$\nprint a$, b$;\nexpose(\"ask\", lambda () (input c$: return c$))\n",
        ),
        ("main.bas", "x$ = ask()\ninput y$\nprint x$, y$;\n"),
    ]);
    let ran = finish_with(spawn(&folder, &["run", "first", "main"]), b"1\n2\n3\n4\n");
    assert_ran(&ran, 0, "12\n34\n", "");
}

/// A prompt is there before the answer, although its line has not ended.
#[test]
fn a_program_can_be_talked_to() {
    let folder =
        scripts(&[("main.bas", "input \"name? \", n$\nprint \"hello \", n$;\ninput \"> \", x$")]);
    let mut child = spawn(&folder, &["run", "main"]);
    let (mut stdin, out) = (child.stdin.take().unwrap(), stdout_of(&mut child));
    expect(&out, "name? ");
    stdin.write_all(b"Ada\n").unwrap();
    expect(&out, "hello Ada\n> ");
    stdin.write_all(b"bye\n").unwrap();
    // The pipe is still open.
    assert_ran(&finish(child), 0, "", "");
    assert_eq!(out.iter().count(), 0);
    drop(stdin);
}

#[test]
fn the_end_of_a_program_waits_for_no_input() {
    let folder = scripts(&[("main.bas", "print \"done\";\n"), ("late.bas", "input n$\n")]);
    assert_ran(&finish(spawn(&folder, &["run", "main"])), 0, "done\n", "");
    // Somebody waits for a line that never comes.
    let late = finish(spawn(&folder, &["run", "--deadline", "100ms", "late"]));
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.err.contains("timeout"), "{late:?}");
}

#[test]
fn ctrl_c_ends_a_program_that_waits_for_input() {
    let folder = scripts(&[("main.bas", "input \"name? \", n$\n")]);
    let mut child = spawn(&folder, &["run", "main"]);
    let out = stdout_of(&mut child);
    expect(&out, "name? ");
    interrupt(&child);
    assert_ran(&finish(child), 130, "", "");
}

/// A session in BASIC, which must end well and show exactly `out`.
fn shows(input: &str, out: &str) {
    let folder = scripts(&[]);
    let ran = finish_with(spawn(&folder, &["repl", "--lang", "basic"]), input.as_bytes());
    assert_ran(&ran, 0, out, "");
}

#[test]
fn a_session_shows_values() {
    shows("1 + 1\n\"a\" + \"b\"\nlist(1, 2.5, nil)\n", "2\n\"ab\"\n{1, 2.5, nil}\n");
    shows("x = 20\nx = x + 1\nx * 2\n", "42\n");
    shows("print 1, 2;\nprint \"part\",\n3\n", "12\npart\n3\n");
}

#[test]
fn what_is_not_complete_goes_on() {
    shows("def f(a)\n\n  return a * 2\nenddef\nf(21)\n", "42\n");
    shows("for i = 1 to 3\nprint i;\nnext\n", "1\n2\n3\n");
    shows("if 1 then\nprint \"yes\";\nelse\nprint \"no\";\nendif\n", "yes\n");
    shows(
        "class p\nvar x = 7\ndef seven()\nreturn x\nenddef\nendclass\nq = new(p)\nq.seven()\n",
        "7\n",
    );
    shows("g = lambda (a) (\nreturn a + 1\n)\ng(1)\nlist(1,\n2)\n", "2\n{1, 2}\n");
    shows("i = 0\nwhile i < 2\ni = i + 1\nwend\ni\ndo\ni = i + 1\nuntil i > 5\ni\n", "2\n6\n");
}

#[test]
fn the_session_goes_on_after_an_error() {
    let folder = scripts(&[]);
    let child = spawn(&folder, &["repl", "--lang", "basic"]);
    let ran = finish_with(child, b"x = 1 + \"a\"\nfor i = 1 to 2\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.err.contains("String expected"), "{ran:?}");
    // What is not complete never will be.
    assert!(ran.err.contains("load"), "{ran:?}");
}

#[test]
fn a_script_reads_the_next_line_of_the_session() {
    shows(
        "input a$\nfrom the pipe\na$\ninput \"? \", n\n41\nn + 1\n",
        "\"from the pipe\"\n? \n42\n",
    );
}

#[cfg(feature = "lua")]
#[test]
fn two_languages_in_one_session() {
    let input = ":lua\nexpose('doubleIt', function(x) return 2 * x end)\n:basic\n\
                 doubleit(21)\nexpose(\"Half\", lambda (x) (return x / 2))\n:lua\nHalf(42)\n";
    shows(input, "42\n21\n");
}
