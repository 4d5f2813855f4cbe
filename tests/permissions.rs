//! What scripts may reach: without a permission nothing, with one just what it names. Every native
//! that comes with calog has its place in the tables here.

#![cfg(all(feature = "lua", feature = "js", feature = "basic", feature = "http", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use calog::{Broker, Context, ErrorKind, Permissions, Value};
use languages::{language, within};
use std::{
    collections::BTreeSet, fs, future::IntoFuture, net::TcpListener, os::unix::net::UnixListener,
    path::PathBuf,
};
use tempfile::TempDir;

/// The natives that need no permission: they reach nothing, or use what a handle stands for, which
/// only a native with a permission has opened.
const FREE: &[&str] = &[
    "fs.close",
    "fs.read_line",
    "http.address",
    "http.close",
    "json.decode",
    "json.encode",
    "net.accept",
    "net.address",
    "net.close",
    "net.on_close",
    "net.on_connect",
    "net.on_data",
    "net.peer",
    "net.recv",
    "net.recv_exact",
    "net.recv_from",
    "net.recv_line",
    "net.send",
    "net.shutdown",
    "net.timeout",
    "text.decode",
    "text.encode",
    "time.monotonic",
    "time.now",
    "timer.after",
    "timer.cancel",
    "timer.every",
    "timer.sleep",
];

/// Calls of all others, in the grammar that Lua and JavaScript share, each with the flag of the
/// program that gives what is missing. `@` stands for a folder, `PORT` for a port where somebody
/// listens, `OTHER` for another.
const CALLS: &[(&str, &str)] = &[
    ("fs.read('@/f')", "--allow-read=@/f"),
    ("fs.read('@/g')", "--allow-read=@/g"),
    ("fs.stat('@/f')", "--allow-read=@/f"),
    ("fs.open('@/f')", "--allow-read=@/f"),
    ("fs.list('@')", "--allow-read=@"),
    ("fs.write('@/f', 'x')", "--allow-write=@/f"),
    ("fs.append('@/f', 'x')", "--allow-write=@/f"),
    ("fs.mkdir('@/d')", "--allow-write=@/d"),
    ("fs.remove('@/d')", "--allow-write=@/d"),
    ("env.get('PATH')", "--allow-env=PATH"),
    ("env.get('HOME')", "--allow-env=HOME"),
    ("net.connect('127.0.0.1', PORT)", "--allow-net=127.0.0.1:PORT"),
    ("net.connect('::ffff:127.0.0.1', PORT)", "--allow-net=127.0.0.1:PORT"),
    ("net.connect('localhost', PORT)", "--allow-net=localhost:PORT"),
    ("net.connect('127.0.0.1', OTHER)", "--allow-net=127.0.0.1:OTHER"),
    ("net.listen('127.0.0.1', 0)", "--allow-net=127.0.0.1:0"),
    ("net.udp_bind('127.0.0.1', 0)", "--allow-net=127.0.0.1:0"),
    ("net.connect_unix('@/s')", "--allow-net=unix:@/s"),
    ("net.listen_unix('@/t')", "--allow-net=unix:@/t"),
];

/// Calls that are tried only where they are denied, since granted they take long or go far.
const DENIED_ONLY: &[(&str, &str)] = &[
    ("net.connect('10.0.0.5', 80)", "--allow-net=10.0.0.5:80"),
    ("net.connect('::1', 80)", "--allow-net=[::1]:80"),
    ("net.connect('example.com', 443)", "--allow-net=example.com:443"),
    ("net.connect_tls('127.0.0.1', PORT)", "--allow-net=127.0.0.1:PORT"),
    ("http.get('http://127.0.0.1:PORT/')", "--allow-net=127.0.0.1:PORT"),
    ("http.post('http://[::ffff:127.0.0.1]:PORT/', '')", "--allow-net=127.0.0.1:PORT"),
    ("net.listen('0.0.0.0', 80)", "--allow-net=0.0.0.0:80"),
    ("net.listen('::', 0)", "--allow-net=[::]:0"),
];

/// The same, in Lua.
const DENIED_IN_LUA: &[(&str, &str)] = &[
    ("net.listen_tls('127.0.0.1', 0, {cert = '', key = ''})", "--allow-net=127.0.0.1:0"),
    ("http.request({url = 'https://127.0.0.1:PORT/'})", "--allow-net=127.0.0.1:PORT"),
    ("http.serve('127.0.0.1:0', print)", "--allow-net=127.0.0.1:0"),
];

/// Grants, and the calls that each opens, by the begin of their text.
type Grant = (&'static str, fn(&World) -> Permissions, &'static [&'static str]);

const GRANTS: &[Grant] = &[
    ("nothing", |_| Permissions::none(), &[]),
    (
        "reading a file",
        |world| Permissions::none().allow_read(world.path("f")),
        &["fs.read('@/f')", "fs.stat", "fs.open"],
    ),
    (
        "reading a folder",
        |world| Permissions::none().allow_read(world.path("")),
        &["fs.read", "fs.stat", "fs.open", "fs.list"],
    ),
    (
        "writing a file",
        |world| Permissions::none().allow_write(world.path("f")),
        &["fs.write", "fs.append"],
    ),
    (
        "writing a folder",
        |world| Permissions::none().allow_write(world.path("")),
        &["fs.write", "fs.append", "fs.mkdir", "fs.remove"],
    ),
    ("a variable", |_| Permissions::none().allow_env("PATH"), &["env.get('PATH')"]),
    ("all variables", |_| Permissions::none().allow_all_env(), &["env.get"]),
    (
        "a port of an address",
        |world| net(&format!("127.0.0.1:{}", world.port)),
        &[
            "net.connect('127.0.0.1', PORT)",
            "net.connect('::ffff:127.0.0.1', PORT)",
            "net.connect('localhost', PORT)",
        ],
    ),
    ("the loopback", |_| net("localhost"), &["net.connect('", "net.listen('", "net.udp_bind"]),
    (
        "an address in IPv6's clothes",
        |_| net("::ffff:127.0.0.1"),
        &["net.connect('", "net.listen('", "net.udp_bind"],
    ),
    ("a port to be chosen", |_| net("127.0.0.1:0"), &["net.listen('", "net.udp_bind"]),
    ("another address", |_| net("127.0.0.2"), &[]),
    ("a net", |_| net("10.0.0.0/8"), &[]),
    ("IPv6's loopback", |_| net("::1"), &[]),
    ("a name", |_| net("example.com"), &[]),
    (
        "all addresses, but no paths",
        |_| net("*"),
        &["net.connect('", "net.listen('", "net.udp_bind"],
    ),
    (
        "a Unix socket",
        |world| net(&format!("unix:{}", world.path("s").display())),
        &["net.connect_unix"],
    ),
    (
        "a folder of Unix sockets",
        |world| net(&format!("unix:{}", world.path("").display())),
        &["net.connect_unix", "net.listen_unix"],
    ),
];

fn net(grant: &str) -> Permissions {
    Permissions::none().allow_net(grant).unwrap()
}

/// What there is to reach.
struct World {
    folder: TempDir,
    port: u16,
    other: u16,
    _listeners: (TcpListener, TcpListener, UnixListener),
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["f", "g"] {
            fs::write(folder.path().join(name), "content").unwrap();
        }
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (port, other_port) = (port(&one), port(&other));
        let unix = UnixListener::bind(folder.path().join("s")).unwrap();
        Self { folder, port, other: other_port, _listeners: (one, other, unix) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `text` with what its words stand for.
    fn fill(&self, text: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let text = text.replace("PORT", &self.port.to_string());
        text.replace("OTHER", &self.other.to_string()).replace('@', folder)
    }
}

/// The kind and the message of the error that a call ends with.
async fn error_of(context: &Context, call: &str) -> Option<(ErrorKind, String)> {
    let source = (language(context.name()).value)(call);
    let result = within(context.eval::<Value>(&source)).await;
    result.err().map(|error| (error.kind(), error.message().to_string()))
}

async fn open(broker: &Broker, engine: &str, permissions: Permissions) -> Context {
    within(broker.open(engine).name(engine).permissions(permissions).into_future()).await.unwrap()
}

/// The name of the native that is called.
fn native(call: &str) -> &str {
    call.split('(').next().unwrap()
}

// A native that is added later must be placed in one of the tables.
#[test]
fn every_native_is_in_the_tables() {
    let broker = Broker::builder().workers(1).build().unwrap();
    let natives: BTreeSet<String> = broker.names().into_iter().collect();
    let calls = CALLS.iter().chain(DENIED_ONLY).chain(DENIED_IN_LUA);
    let placed = calls.map(|(call, _)| native(call));
    let placed = placed.chain(FREE.iter().copied()).chain(NEEDS_A_HANDLE.iter().copied());
    let placed: BTreeSet<String> = placed.map(String::from).collect();
    let missing: Vec<_> = natives.difference(&placed).collect();
    let gone: Vec<_> = placed.difference(&natives).collect();
    assert!(missing.is_empty(), "a permission, or none? {missing:?}");
    assert!(gone.is_empty(), "{gone:?}");
}

/// What needs a permission for what it names, and a handle too.
const NEEDS_A_HANDLE: &[&str] = &["net.send_to"];

#[tokio::test]
async fn nothing_is_allowed_by_default() {
    let world = World::new();
    let broker = Broker::builder().workers(1).build().unwrap();
    for engine in ["lua", "js", "basic"] {
        let context = open(&broker, engine, Permissions::none()).await;
        let in_lua = if engine == "lua" { DENIED_IN_LUA } else { &[] };
        for (call, flag) in CALLS.iter().chain(DENIED_ONLY).chain(in_lua) {
            let mut call = world.fill(call);
            if engine == "basic" {
                call = call.replace('\'', "\"");
            }
            let (kind, message) = error_of(&context, &call).await.expect(&call);
            assert_eq!(kind, ErrorKind::Denied, "{engine}: {call}: {message}");
            // It names who was denied, the grant and the flag.
            let flag = world.fill(flag);
            assert!(message.starts_with(&format!("context `{engine}` may not ")), "{message}");
            let grant = format!("allow_{}", flag[8..].split('=').next().unwrap());
            assert!(message.contains(&format!("Permissions::{grant}, ")), "{message}");
            assert!(message.ends_with(&format!(", or the program's {flag}")), "{call}: {message}");
        }
    }
    let names: BTreeSet<_> =
        fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["f", "g", "s"].map(Into::into).into());
    assert_eq!(fs::read_to_string(world.path("f")).unwrap(), "content");
}

#[tokio::test]
async fn each_grant_opens_just_what_it_names() {
    let broker = Broker::builder().workers(1).build().unwrap();
    for (name, permissions, opened) in GRANTS {
        let world = World::new();
        let context = open(&broker, "lua", permissions(&world)).await;
        for (call, _) in CALLS {
            let is_open = opened.iter().any(|begin| call.starts_with(begin));
            let error = error_of(&context, &world.fill(call)).await;
            let is_denied = error.as_ref().is_some_and(|(kind, _)| *kind == ErrorKind::Denied);
            assert_eq!(!is_denied, is_open, "{name}: {call}: {error:?}");
            // What is open works, apart from removing what was not made.
            assert!(is_denied || error.is_none(), "{name}: {call}: {error:?}");
        }
    }
}

// Having a socket is no permission to send anywhere.
#[tokio::test]
async fn a_socket_sends_only_where_it_may() {
    let world = World::new();
    let broker = Broker::builder().workers(1).build().unwrap();
    let permissions = net("127.0.0.1:0").allow_net(&format!("127.0.0.1:{}", world.port)).unwrap();
    let context = open(&broker, "lua", permissions).await;
    let send =
        |port| format!("net.send_to(net.udp_bind('127.0.0.1', 0), '127.0.0.1', {port}, 'x')");
    assert_eq!(error_of(&context, &send(world.port)).await, None);
    let (kind, message) = error_of(&context, &send(world.other)).await.unwrap();
    assert_eq!(kind, ErrorKind::Denied);
    assert!(message.ends_with(&format!("--allow-net=127.0.0.1:{}", world.other)), "{message}");
}

// A permission is the context's own: what it calls elsewhere may do what that other one may.
#[tokio::test]
async fn permissions_belong_to_the_context_whose_code_runs() {
    let world = World::new();
    let broker = Broker::builder().workers(1).build().unwrap();
    let reader = open(&broker, "lua", Permissions::none().allow_read(world.path(""))).await;
    let source = format!(
        "expose('content', function() return fs.read('{}/f') end)",
        world.path("").display()
    );
    within(reader.eval::<()>(&source)).await.unwrap();
    let poor = open(&broker, "js", Permissions::none()).await;
    let own = error_of(&poor, &world.fill("fs.read('@/f')")).await.unwrap();
    assert_eq!(own.0, ErrorKind::Denied);
    assert_eq!(error_of(&poor, "content()").await, None);
}

/// The program, whose flags the denials name.
#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::process::Command;

    const SCRIPT: &str = "
        local ok, e = pcall(function() return CALL end)
        print(ok and 'done' or e.kind)
        print(ok and '' or e.message)
        exit()";

    fn run(world: &World, call: &str, flags: &[&str]) -> (String, String) {
        let script = world.path("main.lua");
        fs::write(&script, SCRIPT.replace("CALL", call)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
        let output = command.arg("run").args(flags).arg(script).output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let (kind, message) = text.split_once('\n').unwrap_or_else(|| panic!("{output:?}"));
        (kind.to_string(), message.trim().to_string())
    }

    // Whoever does what the message says has what was missing.
    #[test]
    fn the_flag_that_a_denial_names_gives_what_was_missing() {
        let world = World::new();
        for (call, _) in CALLS {
            let call = world.fill(call);
            let (kind, message) = run(&world, &call, &[]);
            assert_eq!(kind, "denied", "{call}");
            let (_, flag) = message.rsplit_once(' ').unwrap();
            let (kind, message) = run(&world, &call, &[flag]);
            assert_eq!(kind, "done", "{call} with {flag}: {message}");
        }
    }
}
