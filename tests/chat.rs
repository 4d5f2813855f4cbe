//! The chat server of `examples/chat`, as a program of its own, with clients that are programs too:
//! `nc`, where it is installed, and plain sockets.

#![cfg(all(feature = "cli", feature = "net", feature = "lua", feature = "js", feature = "basic"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// How long anything may take that must come: far longer than it does on a slow machine.
const LONG: Duration = Duration::from_secs(60);

/// What the server keeps for a client that does not read, beside what the system does: far less than
/// is sent to it here.
const FAR_TOO_MUCH: usize = 64 << 20;

/// The program as the README of the example starts it.
fn chat(allowed: &str, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", &format!("--allow-net={allowed}")])
        .args(["commands.bas", "log.js", "server.lua"].map(|name| format!("examples/chat/{name}")))
        .args(["--", port]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Lines that come from somewhere, read by a thread of its own so that one can wait for them with a
/// limit.
struct Lines(Receiver<String>);

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Self {
        let (lines, receiver) = channel();
        thread::spawn(move || {
            // A connection that is reset ends as one that is closed does.
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` at the end.
    fn next(&self) -> Option<String> {
        match self.0.recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line comes"),
        }
    }

    /// All lines up to the one that ends with `wanted`, and that one.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.next() else { panic!("`{wanted}` never came, only {lines:?}") };
            let found = line.ends_with(wanted);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

struct Server {
    process: Child,
    address: SocketAddr,
    log: Lines,
}

impl Server {
    fn start() -> Self {
        let mut process =
            chat("127.0.0.1", "0").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Lines::of(process.stdout.take().unwrap());
        let first = log.next().expect("it prints where it listens");
        let address = first.split_once(" ! listening on ").expect(&first).1.parse().unwrap();
        Self { process, address, log }
    }

    /// The lines of the log until `event`, without their times.
    fn logs(&self, event: &str) -> Vec<String> {
        self.log.until(event).iter().map(|line| line[9..].to_string()).collect()
    }

    /// Has the program end as Ctrl-C does. Returns what is left of its log.
    #[cfg(unix)]
    fn interrupt(mut self) -> Vec<String> {
        let kill = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let rest = self.log.rest();
        let status = self.process.wait().unwrap();
        let mut errors = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((status.code(), &*errors), (Some(130), ""));
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where the test wanted it to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Somebody who chats.
struct Client {
    name: String,
    lines: Lines,
    says: Box<dyn Write + Send>,
    nc: Option<Child>,
}

impl Client {
    /// One by a plain socket.
    fn plain(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        let reads = stream.try_clone().unwrap();
        Self::greeted(Lines::of(reads), Box::new(Plain(stream)), None)
    }

    /// One by `nc`, or by a plain socket where there is none that can close its sending side, unless
    /// there must be one.
    fn nc(server: &Server) -> Self {
        let help = Command::new("nc").arg("-h").output();
        if !help.is_ok_and(|help| text(&[help.stdout, help.stderr].concat()).contains("OpenBSD")) {
            assert!(std::env::var_os("CALOG_TEST_NC").is_none(), "there is no nc of OpenBSD");
            return Self::plain(server);
        }
        let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
        let mut nc = Command::new("nc")
            .args(["-N", &host, &port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, says) = (nc.stdout.take().unwrap(), nc.stdin.take().unwrap());
        Self::greeted(Lines::of(out), Box::new(says), Some(nc))
    }

    fn greeted(lines: Lines, says: Box<dyn Write + Send>, nc: Option<Child>) -> Self {
        let hello = lines.next().unwrap();
        let name = hello.strip_prefix("* you are ").expect(&hello).split(',').next().unwrap();
        Self { name: name.to_string(), lines, says, nc }
    }

    fn say(&mut self, line: &str) {
        self.says.write_all(line.as_bytes()).unwrap();
        self.says.write_all(b"\n").unwrap();
        self.says.flush().unwrap();
    }

    /// The next lines must be these.
    #[track_caller]
    fn hears(&self, wanted: &[&str]) {
        let heard: Vec<_> = wanted.iter().map_while(|_| self.lines.next()).collect();
        assert_eq!(heard, wanted, "{} hears", self.name);
    }

    /// Says no more, and returns what still comes.
    fn ends(self) -> Vec<String> {
        let Self { lines, says, nc, .. } = self;
        drop(says);
        let rest = lines.rest();
        if let Some(mut nc) = nc {
            assert!(nc.wait().unwrap().success());
        }
        rest
    }
}

/// A socket whose drop closes its sending side.
struct Plain(TcpStream);

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

const HELP: &str = "/nick NAME, /me DOES, /who, /quit [WORDS], /help; all else is for everybody";

#[test]
fn people_talk() {
    let server = Server::start();
    let mut ada = Client::nc(&server);
    assert_eq!(ada.name, "guest1");
    ada.say("/nick Ada");
    ada.hears(&["* guest1 is now Ada"]);

    let mut bob = Client::nc(&server);
    ada.hears(&["* guest2 has joined"]);
    bob.say("/NICK ada");
    bob.say("/nick bob");
    bob.hears(&["! there is a Ada already", "* guest2 is now bob"]);
    ada.hears(&["* guest2 is now bob"]);

    let mut eve = Client::plain(&server);
    eve.say("hello");
    eve.say("  /me waves ");
    eve.hears(&["* guest3 waves"]);
    for other in [&ada, &bob] {
        other.hears(&["* guest3 has joined", "guest3: hello", "* guest3 waves"]);
    }

    bob.say("/who");
    bob.say("");
    bob.say("/help");
    bob.say("//who");
    bob.hears(&["* here: Ada bob guest3", &format!("* {HELP}")]);
    ada.hears(&["bob: /who"]);
    // The name of the one who has it is free to be written otherwise.
    ada.say("/nick ADA");
    ada.hears(&["* Ada is now ADA"]);

    bob.say("/quit for good");
    assert_eq!(bob.ends(), ["* Ada is now ADA", "* goodbye"]);
    ada.hears(&["* bob has left: for good"]);
    ada.say("/quit");
    assert_eq!(ada.ends(), ["* goodbye"]);
    eve.hears(&["bob: /who", "* Ada is now ADA", "* bob has left: for good", "* ADA has left"]);
    assert_eq!(eve.ends(), Vec::<String>::new());

    let log = server.logs("- guest3 has left (0 here)");
    let log: Vec<_> =
        log.iter().map(|line| line.split(" from 127.0.0.1:").next().unwrap()).collect();
    assert_eq!(
        log,
        [
            "+ guest1",
            "= guest1 is now Ada",
            "+ guest2",
            "= guest2 is now bob",
            "+ guest3",
            "  guest3: hello",
            "* guest3 waves",
            "  bob: /who",
            "= Ada is now ADA",
            "- bob has left: for good (2 here)",
            "- ADA has left (1 here)",
            "- guest3 has left (0 here)",
        ]
    );
}

#[test]
fn mistakes_are_told_to_who_made_them() {
    let server = Server::start();
    let mut ada = Client::nc(&server);
    let bob = Client::plain(&server);
    ada.hears(&["* guest2 has joined"]);
    let mistakes = [
        ("/nick", "! /nick NAME: which name?"),
        ("/nick two words", "! a name has letters, digits, - and _, but not ' '"),
        ("/nick Zoë", "! a name has letters, digits, - and _, but not 'ë'"),
        ("/nick abcdefghijklmnopq", "! a name has at most 16 characters"),
        ("/nick guest2", "! there is a guest2 already"),
        ("/me", "! /me DOES: what do you do?"),
        ("/who is there", "! /who takes no words"),
        ("/Shout hello", "! there is no /shout: /help tells what there is"),
        ("/", "! there is no /: /help tells what there is"),
    ];
    for (line, answer) in mistakes {
        ada.say(line);
        ada.hears(&[answer]);
    }
    ada.says.write_all(b"caf\xe9\n").unwrap();
    ada.hears(&["! that was not UTF-8"]);
    // Nobody moves the cursor of others, and a line may end as telnet ends it.
    ada.say("Zoë \x1b[2J\tand \u{9b}31m\r");
    bob.hears(&["guest1: Zoë  [2J and  31m"]);

    ada.say(&"x".repeat(2000));
    ada.say(&"x".repeat(2001));
    assert_eq!(ada.ends(), ["! a line has at most 2000 bytes"]);
    bob.hears(&[
        &format!("guest1: {}", "x".repeat(2000)),
        "* guest1 was dropped: its line was too long",
    ]);
}

// Whoever says all at once, and no more, gets all his answers.
#[test]
fn a_client_may_stop_talking_and_go_on_listening() {
    let server = Server::start();
    let mut ada = Client::nc(&server);
    ada.say("/nick ada\n/who\n/help\none\n/who");
    ada.says.write_all(b"/me has no end of line").unwrap();
    let answers = [
        "* guest1 is now ada",
        "* here: ada",
        &format!("* {HELP}"),
        "* here: ada",
        "* ada has no end of line",
    ];
    assert_eq!(ada.ends(), answers);
    server.logs("- ada has left (0 here)");
}

#[test]
fn who_vanishes_is_gone_for_the_others() {
    let server = Server::start();
    let mut ada = Client::plain(&server);
    for _ in 0..3 {
        let gone = TcpStream::connect(server.address).unwrap();
        // What was not read makes the system reset the connection.
        gone.peek(&mut [0]).unwrap();
        drop(gone);
        let lines = ada.lines.until(" is gone");
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
    let mut killed = Client::nc(&server);
    if let Some(nc) = &mut killed.nc {
        nc.kill().unwrap();
        nc.wait().unwrap();
    }
    drop(killed.says);
    let lines = ada.lines.until("guest5 has left");
    assert_eq!(lines, ["* guest5 has joined", "* guest5 has left"]);
    ada.say("/who");
    ada.hears(&["* here: guest1"]);
}

// Who does not read is dropped, and until then holds nobody up.
#[test]
fn who_never_reads_is_dropped() {
    let server = Server::start();
    let mut ada = Client::plain(&server);
    let bob = Client::plain(&server);
    ada.hears(&["* guest2 has joined"]);
    let mute = TcpStream::connect(server.address).unwrap();
    ada.hears(&["* guest3 has joined"]);
    bob.hears(&["* guest3 has joined"]);

    let line = "x".repeat(1990);
    let said = format!("guest1: {line}");
    let mut sent = 0;
    loop {
        assert!(sent < FAR_TOO_MUCH, "a client that does not read is still there");
        ada.say(&line);
        sent += line.len();
        // Each goes to those who read before the next is said.
        let heard = bob.lines.next().unwrap();
        if heard != said {
            assert_eq!(heard, "* guest3 was dropped: it does not read");
            break;
        }
    }
    ada.hears(&["* guest3 was dropped: it does not read"]);
    ada.say("/who");
    ada.hears(&["* here: guest1 guest2"]);
    assert!(memory(&server).is_none_or(|bytes| bytes < FAR_TOO_MUCH * 4));
    drop(mute);
}

/// What the program holds in memory, where the system tells.
fn memory(server: &Server) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}

// All hear the same in the same order, but for what they say themselves.
#[test]
fn many_talk_at_once() {
    const MANY: usize = 60;
    const EACH: usize = 5;
    let server = Server::start();
    let mut people: Vec<_> = (0..MANY).map(|_| Client::plain(&server)).collect();
    for (i, one) in people.iter().enumerate() {
        let joined: Vec<_> = (i + 1..MANY).map(|_| one.lines.next().unwrap()).collect();
        assert!(joined.iter().all(|line| line.ends_with(" has joined")), "{joined:?}");
    }
    let talkers: Vec<_> = people
        .drain(..)
        .map(|mut one| {
            thread::spawn(move || {
                (0..EACH).for_each(|n| one.say(&format!("line {n}")));
                let others = (MANY - 1) * EACH;
                let heard: Vec<_> = (0..others).map(|_| one.lines.next().unwrap()).collect();
                (one, heard)
            })
        })
        .collect();
    let people: Vec<_> = talkers.into_iter().map(|talker| talker.join().unwrap()).collect();
    let spoken = |heard: &[String], but: [&str; 2]| -> Vec<String> {
        let by = |line: &&String| !but.contains(&line.split_once(": ").unwrap().0);
        heard.iter().filter(by).cloned().collect()
    };
    let (first, all) = &people[0];
    for (one, heard) in &people {
        let but = [&*first.name, &*one.name];
        assert_eq!(spoken(heard, but), spoken(all, but), "{}", one.name);
        for (other, _) in people.iter().filter(|(other, _)| other.name != one.name) {
            let from = heard.iter().filter(|line| line.starts_with(&format!("{}: ", other.name)));
            let wanted = (0..EACH).map(|n| format!("{}: line {n}", other.name));
            assert!(from.cloned().eq(wanted), "{} hears of {}", one.name, other.name);
        }
    }
}

#[cfg(unix)]
#[test]
fn the_program_ends_in_order() {
    let server = Server::start();
    let ada = Client::nc(&server);
    server.logs("(1 here)");
    assert_eq!(server.interrupt(), Vec::<String>::new());
    assert_eq!(ada.ends(), Vec::<String>::new());
}

#[test]
fn what_keeps_it_from_listening_is_told() {
    let ends = |allowed: &str, port: &str| -> (Option<i32>, String) {
        let Output { status, stderr, .. } = chat(allowed, port).output().unwrap();
        (status.code(), text(&stderr))
    };
    let server = Server::start();
    let port = server.address.port().to_string();
    let wanted = [
        ("127.0.0.1", &*port, "busy: listen on 127.0.0.1:"),
        ("127.0.0.1:1", &*port, &*format!("--allow-net=127.0.0.1:{port}")),
        ("127.0.0.1", "seventy", "the port must be a number, not seventy"),
        ("127.0.0.1", "70000", "range"),
    ];
    for (allowed, port, words) in wanted {
        let (code, errors) = ends(allowed, port);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains(words), "`{words}` is not in:\n{errors}");
    }
}
