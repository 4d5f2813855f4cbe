//! Any text as a script of each language, with little time and memory: it ends, and harms nobody.
//!
//! The first byte chooses the language, and whether the rest is the text itself or chooses words of
//! the language, which compile far more often than bytes do.

use calog::{Broker, Context, ErrorKind, Limits, Value};
use std::{future::IntoFuture, time::Duration};
use tokio::runtime::Runtime;

/// What the script has, with all that it calls.
const DEADLINE: Duration = Duration::from_millis(30);

/// How long it may take until it is over and gone, on a machine that does much else.
const AT_THE_MOST: Duration = Duration::from_secs(20);

/// No input is longer.
const MOST_BYTES: usize = 2 << 10;

#[rustfmt::skip]
const LUA: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while", "<const>",
    "<close>", "::a::", "a", "b", "c", "t", "f", "a.b", "t[a]", "f(a)", "f", "(", ")", "{", "}", "[",
    "]", ",", ";", ":", "::", ".", "..", "...", "=", "==", "~=", "<", "<=", ">", ">=", "+", "-", "*",
    "/", "//", "%", "^", "#", "&", "|", "~", "<<", ">>", "0", "1", "2", "-1", "0.5", "1e308", "0/0",
    "math.maxinteger", "'x'", "'\\xff'", "[[y]]", "\n", "--", "assert", "error", "getmetatable",
    "ipairs", "load", "next", "pairs", "pcall", "rawequal", "rawget", "rawlen", "rawset", "select",
    "setmetatable", "tonumber", "tostring", "type", "xpcall", "print", "expose", "call", "require",
    "coroutine.wrap", "coroutine.create", "coroutine.resume", "coroutine.yield", "coroutine.close",
    "coroutine.status", "coroutine.running", "math.floor", "math.random", "math.tointeger",
    "string.byte", "string.char", "string.format", "string.pack", "string.sub", "table.insert",
    "table.remove", "table.unpack", "table.pack", "utf8.char", "utf8.codepoint", "os.time",
    "back", "wait", "fail", "twice", "for i = 1, 9 do", "while true do", "repeat", "until a",
    "local function f(...)", "function(...)", "return f", "pcall(f, ", "setmetatable({}, {",
    "string.find(", "string.gsub(", "string.rep('a', 9999)", "('x'):rep(b)", "'(.-)*b'", "'%b()'",
    "'.-.-.-.-.-$'", "table.concat(", "table.sort(", "table.move(", "1 << 40", "__index =", "__call =", "__close =", "__eq =", "__gc =", "__len =", "__pairs =", "__name =",
    "expose('e', ", "back(function(x)", "twice(f, ", "wait(1)", "error({", "local a <close> =", "_ENV",
];

#[rustfmt::skip]
const JS: &[&str] = &[
    "break", "case", "catch", "class", "const", "continue", "default", "delete", "do", "else",
    "extends", "finally", "for", "function", "if", "in", "of", "instanceof", "let", "new", "return",
    "super", "switch", "this", "throw", "try", "typeof", "var", "void", "while", "with", "yield",
    "yield*", "async", "await", "static", "get", "set", "null", "undefined", "true", "false", "NaN",
    "a", "b", "c", "o", "f", "a.b", "o[a]", "f(a)", "#p", "(", ")", "{", "}", "[", "]", ",", ";", ":",
    "?", "?.", "??", "...", "=>", "=", "==", "===", "!=", "!", "<", ">", "+", "-", "*", "**", "/", "%",
    "&", "|", "^", "~", "<<", ">>>", "&&", "||", "++", "--", "+=", "0", "1", "-1", "0.5", "1n", "2n **",
    "Infinity", "'x'", "'\\ud800'", "`y${", "}`", "/a/g", "\n", "//", "Symbol.iterator", "Proxy",
    "Reflect.apply", "Object.create(", "Object.defineProperty(", "Object.keys", "Array.from", "Map",
    "Set", "WeakMap", "WeakRef", "FinalizationRegistry", "Promise", "Promise.all", "Promise.race",
    "new Promise((f, a) =>", ".then(", ".catch(", ".finally(", "queueMicrotask(", "setTimeout(",
    "setInterval(", "clearTimeout(", "eval(", "Function(", "JSON.stringify", "JSON.parse(", "Date",
    "BigInt", "Number", "String", "Error", "Uint8Array", "DataView", "ArrayBuffer", "structuredClone",
    "globalThis", "arguments", "print", "console.log", "expose('e', ", "call", "call.async", "back",
    "back.async(", "wait", "wait.async(1)", "fail", "fail.async()", "twice(f, ", "for (;;)",
    "while (true)", "async function f()", "function* f()", "(x) =>", "class A extends", "import(",
    "[].fill.call(o)", ".sort()", ".join('x')", ".repeat(9999)", ".padEnd(1e9)", "{ length: 2 ** 53 - 1 }",
    ".map(f)", ".flat(Infinity)", ".at(-1)", "new Array(1e6)", "/(a*)*b/", ".test('a'.repeat(40))",
    "Array.prototype.reverse.call(", ".concat(", ".indexOf(", ".reduce(f)", "toJSON()", "valueOf()", "toString()", "then(f)", "__proto__", "constructor", "prototype",
];

/// The text that the input stands for.
fn text(words: Option<&[&str]>, data: &[u8]) -> String {
    let data = &data[..data.len().min(MOST_BYTES)];
    let Some(words) = words else { return String::from_utf8_lossy(data).into_owned() };
    let mut text = String::new();
    for byte in data {
        text.push_str(words[usize::from(*byte) % words.len()]);
        text.push(' ');
    }
    text
}

struct Stage {
    runtime: Runtime,
    broker: Broker,
    /// Lives on the same worker as every script, and must not notice any.
    innocent: Context,
}

impl Stage {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let limits = Limits::default()
            .deadline(DEADLINE)
            .memory_bytes(8 << 20)
            .value_bytes(1 << 20)
            .slice(Duration::from_millis(2));
        let open = async {
            let broker = Broker::builder()
                .limits(limits)
                .workers(1)
                .output(|_, _| {})
                .on_failure(|_| {})
                .native("back", |value: Value| value)
                .native("fail", || Err::<(), _>("no"))
                .native_async("wait", |_: Value| tokio::time::sleep(Duration::from_millis(1)))
                .native_async("twice", |f: calog::Function, x: Value| async move {
                    f.call::<Value>((x.clone(),)).await?;
                    f.call::<Value>((x,)).await
                })
                .build()
                .unwrap();
            // It has all the time that a busy machine may take.
            let patient = Limits::default().deadline(AT_THE_MOST);
            let innocent = broker.open("lua").name("innocent").limits(patient).await.unwrap();
            let source = "expose('innocent', function() return 42 end)";
            innocent.eval::<()>(source).await.unwrap();
            (broker, innocent)
        };
        let (broker, innocent) = runtime.block_on(open);
        Self { runtime, broker, innocent }
    }

    fn check(&self, engine: &str, text: &str) {
        let run = async {
            let context = self.broker.open(engine).name("script").into_future().await.unwrap();
            if let Err(error) = context.eval::<Value>(text).await {
                let allowed = !matches!(error.kind(), ErrorKind::Dead | ErrorKind::Panicked);
                assert!(allowed, "{error:?}");
            }
            // What it has exposed may be called as well.
            let _ = context.call::<Value>("e", (1,)).await;
            let answer = self.innocent.call::<i64>("innocent", ()).await;
            assert_eq!(answer.unwrap(), 42, "the neighbour is harmed");
            // It can be used again, unless it has spent its memory, or something of it still takes
            // the time.
            let sound = context.eval::<i64>(if engine == "lua" { "return 7" } else { "7" });
            match sound.await {
                Ok(seven) => assert_eq!(seven, 7),
                Err(error) => {
                    let allowed = matches!(error.kind(), ErrorKind::Memory | ErrorKind::Timeout);
                    assert!(allowed, "{error:?}");
                }
            }
            context.close().await;
            assert_eq!(self.broker.contexts().len(), 1);
        };
        let run = async { tokio::time::timeout(AT_THE_MOST, run).await };
        self.runtime.block_on(run).unwrap_or_else(|_| panic!("it hangs: {engine}: {text}"));
    }
}

thread_local! {
    /// Never dropped: the end of a thread is no place to end a broker.
    static STAGE: &'static Stage = Box::leak(Box::new(Stage::new()));
}

/// Runs `data` as a script.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (engine, words) = if first & 1 == 0 { ("lua", LUA) } else { ("js", JS) };
    let text = text((first & 2 != 0).then_some(words), rest);
    STAGE.with(|stage| stage.check(engine, &text));
}
