//! Files and folders for scripts: what the natives do, what they refuse, and that no way leads out
//! of what was granted.

#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use bytes::Bytes;
use calog::{Broker, Context, ErrorKind, Limits, Permissions, Value};
use languages::{exact, language, within};
use std::{
    fs,
    future::IntoFuture,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder with another one in it, `in`, where scripts may read and write, and `out`, where not.
struct World {
    folder: TempDir,
    broker: Broker,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["in", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("in/text"), "one\ntwo\r\nthree").unwrap();
        fs::write(folder.path().join("in/data"), b"\0\xff").unwrap();
        fs::write(folder.path().join("out/secret"), "the canary sings").unwrap();
        let broker = Broker::builder().workers(1).limits(limits).build().unwrap();
        Self { folder, broker }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// All that is there, to see what has changed.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn open(&self, engine: &str, permissions: Permissions) -> Context {
        let open = self.broker.open(engine).name(engine).permissions(permissions);
        within(open.into_future()).await.unwrap()
    }

    /// A context that may read and write in `in`.
    async fn inside(&self, engine: &str) -> Context {
        let path = self.path("in");
        self.open(engine, Permissions::none().allow_read(&path).allow_write(&path)).await
    }

    /// The value of an expression in which `@` stands for the folder, or `error: ` and the kind.
    async fn eval(&self, context: &Context, expression: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let source = (language(context.name()).value)(&expression.replace('@', folder));
        match within(context.eval::<Value>(&source)).await {
            Ok(value) => exact(&value),
            Err(error) => format!("error: {}", error.kind()),
        }
    }

    /// The same for several expressions in Lua, one after another, each with what it must give.
    async fn play(&self, context: &Context, rows: &[(&str, &str)]) {
        for (expression, wanted) in rows {
            assert_eq!(self.eval(context, expression).await, *wanted, "{expression}");
        }
    }
}

#[tokio::test]
async fn files_are_read_written_and_listed() {
    let world = World::new();
    let lua = world.inside("lua").await;
    let rows = [
        ("fs.read('@/in/text')", r#""one\ntwo\r\nthree""#),
        ("fs.read('@/in/data')", r#""\x00\xff""#),
        ("fs.write('@/in/new', 'a\\0b')", "nil"),
        ("fs.read('@/in/new')", r#""a\x00b""#),
        ("fs.write('@/in/new', 'c')", "nil"),
        ("fs.append('@/in/new', 'd')", "nil"),
        ("fs.append('@/in/new', '')", "nil"),
        ("fs.read('@/in/new')", r#""cd""#),
        ("fs.append('@/in/other', 'x')", "nil"),
        ("fs.read('@/in/other')", r#""x""#),
        ("fs.mkdir('@/in/a/b/c')", "nil"),
        ("fs.mkdir('@/in/a/b')", "nil"),
        ("fs.write('@/in/a/b/c/f', '')", "nil"),
        ("fs.list('@/in')", r#"["a", "data", "new", "other", "text"]"#),
        ("fs.list('@/in/a/b/c/')", r#"["f"]"#),
        ("fs.stat('@/in/text').kind", r#""file""#),
        ("fs.stat('@/in/text').size", "14"),
        ("math.type(fs.stat('@/in/text').modified)", r#""integer""#),
        ("fs.stat('@/in/a').kind", r#""folder""#),
        ("fs.stat('@/in').kind", r#""folder""#),
        ("fs.remove('@/in/a/b/c/f')", "nil"),
        ("fs.remove('@/in/a/b/c')", "nil"),
        ("fs.list('@/in/a/b')", "[]"),
        // What does not work is an error, and changes nothing.
        ("fs.read('@/in/none')", "error: not_found"),
        ("fs.read('@/in/none/none')", "error: not_found"),
        ("fs.read('@/in/text/none')", "error: io"),
        ("fs.read('@/in/a')", "error: io"),
        ("fs.write('@/in/a', 'x')", "error: io"),
        ("fs.write('@/in/none/x', 'x')", "error: not_found"),
        ("fs.append('@/in/a', 'x')", "error: io"),
        ("fs.list('@/in/none')", "error: not_found"),
        ("fs.list('@/in/text')", "error: io"),
        ("fs.stat('@/in/none')", "error: not_found"),
        ("fs.remove('@/in/none')", "error: not_found"),
        ("fs.remove('@/in/a')", "error: io"),
        ("fs.mkdir('@/in/text')", "error: io"),
        ("fs.mkdir('@/in/text/a')", "error: io"),
        ("fs.open('@/in/none')", "error: not_found"),
        ("fs.open('@/in')", "error: io"),
        ("fs.read('@/in/te\\0xt')", "error: io"),
        ("fs.read()", "error: arity"),
        ("fs.write('@/in/x')", "error: arity"),
        ("fs.write('@/in/x', {})", "error: type"),
        ("fs.list('@/in')", r#"["a", "data", "new", "other", "text"]"#),
    ];
    world.play(&lua, &rows).await;
}

// What a file yields does not change its type with its content.
#[tokio::test]
async fn bytes_are_bytes_in_javascript() {
    let world = World::new();
    let js = world.inside("js").await;
    let rows = [
        ("fs.read('@/in/text')", r#"b"one\ntwo\r\nthree""#),
        ("fs.read('@/in/data')", r#"b"\x00\xff""#),
        ("text.decode(fs.read('@/in/text'))", r#""one\ntwo\r\nthree""#),
        ("fs.write('@/in/b', Uint8Array.of(104, 105))", "nil"),
        ("fs.append('@/in/b', 'é')", "nil"),
        ("fs.read('@/in/b')", r#"b"hi\xc3\xa9""#),
        (
            "(h => [fs.read_line(h), fs.read_line(h), fs.read_line(h), fs.read_line(h), fs.close(h)])(fs.open('@/in/text'))",
            r#"[b"one", b"two", b"three", nil, true]"#,
        ),
        ("fs.list('@/in')", r#"["b", "data", "text"]"#),
    ];
    world.play(&js, &rows).await;
    let basic = world.inside("basic").await;
    let rows = [
        ("FS.READ(\"@/in/text\")", r#""one\ntwo\r\nthree""#),
        ("fs.write(\"@/in/b\", chr(255))", "nil"),
        ("fs.read(\"@/in/b\")", r#""\xff""#),
        ("get(fs.stat(\"@/in/b\"), \"size\")", "1"),
    ];
    world.play(&basic, &rows).await;
}

#[tokio::test]
async fn lines_come_one_by_one() {
    let world = World::new();
    let lua = world.inside("lua").await;
    let lines = |max: &str| {
        format!(
            "(function() local h, all = fs.open('@/in/text'), {{}}
               for line in function() return fs.read_line(h{max}) end do all[#all + 1] = line end
               return {{all, fs.close(h), fs.close(h), pcall(fs.read_line, h)}} end)()"
        )
    };
    let rows = [
        (&*lines(""), r#"[["one", "two", "three"], true, false, false"#),
        (&*lines(", 5"), r#"[["one", "two", "three"], true, false, false"#),
    ];
    for (expression, wanted) in rows {
        let found = world.eval(&lua, expression).await;
        assert!(found.starts_with(wanted), "{expression}: {found}");
    }
    let rows = [
        ("fs.read_line(fs.open('@/in/text'), 3)", r#""one""#),
        ("fs.read_line(fs.open('@/in/text'), 2)", "error: range"),
        ("fs.read_line(fs.open('@/in/text'), -1)", "error: range"),
        ("fs.read_line(1 << 40)", "error: dead"),
        // What was too long is still there.
        (
            "(function() local h = fs.open('@/in/text')
                return {(pcall(fs.read_line, h, 2)), fs.read_line(h), fs.read_line(h, 3)} end)()",
            r#"[false, "one", "two"]"#,
        ),
        // A handle of another kind.
        ("fs.close(timer.after(1e9, print))", "error: type"),
    ];
    world.play(&lua, &rows).await;
    // A handle belongs to its context.
    let handle = world.eval(&lua, "fs.open('@/in/text')").await;
    let other = world.inside("lua").await;
    let rows = [
        (&*format!("fs.read_line({handle})"), "error: dead"),
        (&*format!("fs.close({handle})"), "false"),
    ];
    world.play(&other, &rows).await;
    assert_eq!(world.eval(&lua, &format!("fs.read_line({handle})")).await, r#""one""#);
}

#[tokio::test]
async fn files_and_lines_have_a_limit() {
    let world = World::with(Limits::default().value_bytes(100_000));
    let lua = world.inside("lua").await;
    fs::write(world.path("in/fits"), vec![b'x'; 100_000]).unwrap();
    fs::write(world.path("in/long"), vec![b'x'; 100_001]).unwrap();
    fs::create_dir(world.path("in/many")).unwrap();
    for number in 0..3000 {
        fs::write(world.path(&format!("in/many/{number}")), "").unwrap();
    }
    let rows = [
        ("#fs.read('@/in/fits')", "100000"),
        ("fs.read('@/in/long')", "error: range"),
        ("fs.list('@/in/many')", "error: range"),
        ("#fs.read_line(fs.open('@/in/fits'), 1 << 40)", "100000"),
        ("fs.read_line(fs.open('@/in/long'), 1 << 40)", "error: range"),
        ("fs.read_line(fs.open('@/in/fits'))", "error: range"),
    ];
    world.play(&lua, &rows).await;
}

/// Ways to what is outside: links, `..`, what is not there.
const WAYS_OUT: &[&str] = &[
    "@/out/secret",
    "@/out/none",
    "@/out",
    "@/out/none/none",
    "@",
    "/",
    "/etc/passwd",
    "/none",
    "/none/../@/in/text",
    "@/in/../out/secret",
    "@/in/../out/none",
    "@/in/none/../../out/secret",
    "@/in/..",
    "@/in/../in2",
    "@/inner",
    "",
    "out/secret",
    "@/out/secret\\0",
];

/// The same where there are links in the granted folder.
#[cfg(unix)]
const LINKS_OUT: &[&str] = &[
    "@/in/file",
    "@/in/folder",
    "@/in/folder/secret",
    "@/in/folder/none",
    "@/in/folder/../in/file",
    "@/in/dangling",
    "@/in/nowhere/x",
    "@/in/loop",
    "@/in/loop/x",
    "@/in/up/secret",
];

#[cfg(unix)]
fn link(world: &World) {
    for (to, name) in [
        ("../out/secret", "file"),
        ("../out", "folder"),
        ("../out/none", "dangling"),
        ("../out/none", "nowhere"),
        ("loop", "loop"),
        ("../../..", "up"),
        ("text", "inner_link"),
    ] {
        std::os::unix::fs::symlink(to, world.path("in").join(name)).unwrap();
    }
}

// Nothing outside can be reached, changed, or even told from what is not there.
#[tokio::test]
async fn no_way_leads_outside() {
    let world = World::new();
    let mut ways = WAYS_OUT.to_vec();
    #[cfg(unix)]
    {
        link(&world);
        ways.extend(LINKS_OUT);
    }
    let lua = world.inside("lua").await;
    let before = (world.names("in"), world.names("out"), world.names("."));
    for way in ways {
        for call in [
            "fs.read('PATH')",
            "fs.list('PATH')",
            "fs.stat('PATH')",
            "fs.open('PATH')",
            "fs.write('PATH', 'x')",
            "fs.append('PATH', 'x')",
            "fs.mkdir('PATH')",
        ] {
            let call = call.replace("PATH", way);
            let caught = format!(
                "(function() local _, e = pcall(function() return {call} end) return e end)()"
            );
            let kind = world.eval(&lua, &call).await;
            assert_eq!(kind, "error: denied", "{call}");
            // The message is the same, but for the path, whatever is there.
            let message = world.eval(&lua, &format!("{caught}.message")).await.replace('\\', "");
            let access =
                if call.contains("'x'") || call.contains("mkdir") { "write" } else { "read" };
            assert!(message.contains(&format!("may not {access} ")), "{call}: {message}");
            assert!(
                message.contains(&format!(
                    "Permissions::allow_{access}, or the program's --allow-{access}="
                )),
                "{call}: {message}"
            );
        }
    }
    let after = (world.names("in"), world.names("out"), world.names("."));
    assert_eq!(before, after);
    let secret = fs::read_to_string(world.path("out/secret")).unwrap();
    assert_eq!(secret, "the canary sings");
}

// A link is removed itself, and what it leads to stays.
#[cfg(unix)]
#[tokio::test]
async fn links_lead_where_they_may_and_are_removed_themselves() {
    let world = World::new();
    link(&world);
    let lua = world.inside("lua").await;
    let rows = [
        ("fs.read('@/in/inner_link')", r#""one\ntwo\r\nthree""#),
        ("fs.stat('@/in/inner_link').kind", r#""file""#),
        ("fs.append('@/in/inner_link', '!')", "nil"),
        ("fs.read('@/in/text')", r#""one\ntwo\r\nthree!""#),
        ("fs.remove('@/in/inner_link')", "nil"),
        ("fs.stat('@/in/text').size", "15"),
        ("fs.remove('@/in/folder')", "nil"),
        ("fs.remove('@/in/dangling')", "nil"),
        ("fs.remove('@/in/up/x')", "error: denied"),
        ("fs.remove('@/out/secret')", "error: denied"),
        ("fs.remove('@/out/none')", "error: denied"),
    ];
    world.play(&lua, &rows).await;
    assert_eq!(world.names("out"), ["secret"]);
    assert_eq!(world.names("in"), ["data", "file", "loop", "nowhere", "text", "up"]);
}

// A grant counts where its own links lead, and below; it may be of a single file, also of one that
// is not there yet.
#[tokio::test]
async fn a_grant_means_what_it_says() {
    let world = World::new();
    let file = world.path("in/text");
    let context = world.open("lua", Permissions::none().allow_read(&file)).await;
    let rows = [
        ("#fs.read('@/in/text')", "14"),
        ("#fs.read('@/in/../in/./text')", "14"),
        ("fs.read_line(fs.open('@/in/text'))", r#""one""#),
        ("fs.read('@/in/data')", "error: denied"),
        ("fs.list('@/in')", "error: denied"),
        ("fs.write('@/in/text', '')", "error: denied"),
        ("fs.remove('@/in/text')", "error: denied"),
    ];
    world.play(&context, &rows).await;
    let new = world.path("in/new");
    let context = world.open("lua", Permissions::none().allow_write(&new)).await;
    let rows = [
        ("fs.write('@/in/new', 'x')", "nil"),
        ("fs.read('@/in/new')", "error: denied"),
        ("fs.stat('@/in/new')", "error: denied"),
        ("fs.write('@/in/newer', 'x')", "error: denied"),
        ("fs.remove('@/in/new')", "nil"),
        ("fs.mkdir('@/in/new')", "nil"),
        ("fs.write('@/in/new/file', 'x')", "nil"),
    ];
    world.play(&context, &rows).await;
    let deep = world.path("in/x/y");
    let context = world.open("lua", Permissions::none().allow_write(&deep)).await;
    let rows = [
        ("fs.write('@/in/x/y/z', 'x')", "error: not_found"),
        ("fs.mkdir('@/in/x')", "error: denied"),
        ("fs.mkdir('@/in/x/y')", "nil"),
        ("fs.write('@/in/x/y/z', 'x')", "nil"),
    ];
    world.play(&context, &rows).await;
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../out", world.path("in/linked")).unwrap();
        let linked = world.path("in/linked");
        let context = world.open("lua", Permissions::none().allow_read(&linked)).await;
        let rows = [
            ("fs.read('@/in/linked/secret')", r#""the canary sings""#),
            ("fs.read('@/out/secret')", r#""the canary sings""#),
            ("fs.list('@/in/linked')", r#"["secret"]"#),
            ("fs.read('@/in/text')", "error: denied"),
        ];
        world.play(&context, &rows).await;
    }
}

// What might never end, or do something when it is opened, is not opened.
#[cfg(unix)]
#[tokio::test]
async fn only_plain_files_are_opened() {
    let world = World::new();
    let made = std::process::Command::new("mkfifo").arg(world.path("in/pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(world.path("in/socket")).unwrap();
    let permissions = Permissions::none()
        .allow_read(world.path("in"))
        .allow_write(world.path("in"))
        .allow_read("/dev")
        .allow_write("/dev/null");
    let lua = world.open("lua", permissions).await;
    for path in ["@/in/pipe", "@/in/socket", "/dev/null"] {
        for call in ["read", "open", "write", "append"] {
            let data = if call == "write" || call == "append" { ", 'x'" } else { "" };
            let call = format!("fs.{call}('{path}'{data})");
            assert_eq!(world.eval(&lua, &call).await, "error: io", "{call}");
        }
        let call = format!("fs.stat('{path}').kind");
        assert_eq!(world.eval(&lua, &call).await, r#""other""#, "{call}");
    }
}

// Names that are no text can be listed and used.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    fs::create_dir(world.path("in/odd")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff");
    fs::write(world.path("in/odd").join(name), "found").unwrap();
    for engine in ["lua", "js", "basic"] {
        let context = world.inside(engine).await;
        let list = world.eval(&context, "fs.list(\"@/in/odd\")").await;
        assert_eq!(list.trim_start_matches("[b").trim_start_matches('['), r#""\xff"]"#);
    }
    let lua = world.inside("lua").await;
    world.play(&lua, &[("fs.read('@/in/odd/\\xff')", r#""found""#)]).await;
}

// Whatever others do to the folder meanwhile, nothing outside is read or written.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn links_that_come_and_go_lead_nowhere() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    let world = World::new();
    let lua = world.inside("lua").await;
    for name in ["in/sub", "in/kept"] {
        fs::create_dir(world.path(name)).unwrap();
        fs::write(world.path(name).join("secret"), "harmless").unwrap();
    }
    let done = AtomicBool::new(false);
    let swap = |from: &Path, to: &Path| {
        // `sub` is a folder with a harmless file, then a link to the outside, and so on.
        while !done.load(Relaxed) {
            fs::rename(from.join("sub"), from.join("aside")).unwrap();
            std::os::unix::fs::symlink(to, from.join("sub")).unwrap();
            fs::remove_file(from.join("sub")).unwrap();
            fs::rename(from.join("aside"), from.join("sub")).unwrap();
        }
    };
    let (from, to) = (world.path("in"), Path::new("../out"));
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| swap(&from, to));
        let play = async {
            let mut seen = Vec::new();
            for _ in 0..400 {
                seen.push(world.eval(&lua, "fs.read('@/in/sub/secret')").await);
                seen.push(world.eval(&lua, "fs.write('@/in/sub/more', 'x')").await);
                seen.push(world.eval(&lua, "fs.append('@/in/sub/secret', '')").await);
                seen.push(world.eval(&lua, "fs.stat('@/in/sub/more').kind").await);
                seen.push(world.eval(&lua, "fs.remove('@/in/sub/more')").await);
            }
            seen
        };
        let seen = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(play));
        done.store(true, Relaxed);
        seen
    });
    let known =
        ["\"harmless\"", "\"file\"", "nil", "error: denied", "error: not_found", "error: io"];
    assert!(seen.iter().all(|one| known.contains(&&**one)), "{seen:?}");
    assert_eq!(world.names("out"), ["secret"]);
    assert_eq!(fs::read_to_string(world.path("out/secret")).unwrap(), "the canary sings");
}

// A script that reads does not hold its worker: others run meanwhile, and what it keeps is closed
// with its context.
#[tokio::test]
async fn open_files_close_with_their_context() {
    let world = World::with(Limits::default().resources(3));
    let lua = world.inside("lua").await;
    for _ in 0..3 {
        let handle = world.eval(&lua, "fs.open('@/in/text')").await;
        assert!(!handle.starts_with("error"), "{handle}");
    }
    assert_eq!(world.eval(&lua, "fs.open('@/in/text')").await, "error: busy");
    within(lua.close()).await;
    let lua = world.inside("lua").await;
    let handle = world.eval(&lua, "fs.open('@/in/text')").await;
    assert!(!handle.starts_with("error"), "{handle}");
}

#[tokio::test]
async fn rust_sees_bytes() {
    let world = World::new();
    let lua = world.inside("lua").await;
    let path = world.path("in/data");
    let source = format!("return fs.read('{}')", path.display());
    let bytes: Bytes = within(lua.eval(&source)).await.unwrap();
    assert_eq!(&bytes[..], b"\0\xff");
    let error = within(lua.eval::<String>(&source)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrepresentable);
}
