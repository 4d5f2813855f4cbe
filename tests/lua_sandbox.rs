//! What a script can reach: exactly what is on the list, and modules beside it.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use bytes::Bytes;
use calog::{Broker, Context, ErrorKind, Limits, Value};
use futures::future::try_join_all;
use lua_support::*;
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;

/// The deadline of what never ends.
const DEADLINE: Duration = Duration::from_millis(60);

async fn text(context: &Context, expression: &str) -> String {
    let source = format!("return tostring({expression})");
    within(context.eval::<String>(&source))
        .await
        .unwrap_or_else(|e| panic!("{e:?} of {expression}"))
}

// C-068, design.md "Permissions": an allow-list, so that nothing new comes in with a new Lua.
#[tokio::test]
async fn scripts_see_exactly_what_is_on_the_list() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for (table, wanted) in [
        (
            "_G",
            "_G _VERSION assert call coroutine error expose getmetatable ipairs load math next os pairs pcall \
             print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type \
             utf8 xpcall",
        ),
        ("coroutine", "close create isyieldable resume running status wrap yield"),
        ("table", "concat insert move pack remove sort unpack"),
        (
            "string",
            "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
        ),
        ("utf8", "char charpattern codepoint codes len offset"),
        ("os", "clock date time"),
        (
            "math",
            // The vendored Lua is built with the functions of earlier versions.
            "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max maxinteger \
             min mininteger modf pi pow rad random randomseed sin sinh sqrt tan tanh tointeger type ult",
        ),
        ("getmetatable('')", "__add __div __idiv __index __mod __mul __pow __sub __unm"),
    ] {
        let source = format!(
            "local names = {{}}
             for name in next, {table} do names[#names + 1] = tostring(name) end
             table.sort(names)
             return table.concat(names, ' ')"
        );
        let names = within(context.eval::<String>(&source)).await.unwrap();
        assert_eq!(names, wanted, "in {table}");
    }
    assert_eq!(text(&context, "_VERSION").await, "Lua 5.4");
    assert_eq!(text(&context, "_G == _ENV and _G._G == _G").await, "true");
    assert_eq!(text(&context, "getmetatable('').__index == string").await, "true");
}

// design.md: nothing of the operating system, of other code, or of the interpreter's inside.
#[tokio::test]
async fn what_is_not_on_the_list_cannot_be_found_by_another_way() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    for expression in [
        "io",
        "debug",
        "package",
        "dofile",
        "loadfile",
        "loadstring",
        "collectgarbage",
        "warn",
        "module",
        "os.execute",
        "os.exit",
        "os.getenv",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "os.setlocale",
        "os.difftime",
        "string.dump",
        "('x').dump",
        "getmetatable('').__index.dump",
        "_G.io",
        "rawget(_G, 'debug')",
        "load('return debug')()",
        "load('return io', 'x', 't', _G)()",
        "coroutine.wrap(function() return package end)()",
        "select(2, pcall(require, 'io')).io",
        "getmetatable(print)",
        "getmetatable(one)",
        "getmetatable(coroutine.create(print))",
        "getmetatable(1)",
        "getmetatable(nil)",
        "getmetatable(true)",
    ] {
        assert_eq!(text(&context, expression).await, "nil", "of {expression}");
    }
    for name in ["io", "debug", "package", "os.execute", "string", "ffi", "jit", "_G"] {
        let source = format!("return select(2, pcall(require, '{name}')).kind");
        assert_eq!(within(context.eval::<String>(&source)).await.unwrap(), "unsupported");
    }
    assert!(text(&context, "os.time()").await.parse::<i64>().unwrap() > 1_600_000_000);
    assert_eq!(
        text(&context, "os.time{year = 2020, month = 1, day = 2, hour = 12} > 0").await,
        "true"
    );
    assert_eq!(text(&context, "math.type(os.clock())").await, "float");
    assert_eq!(text(&context, "os.date('!%Y-%m-%d', 0)").await, "1970-01-01");
}

// A binary chunk could break the memory of the process: no way to load one.
#[tokio::test]
async fn binary_chunks_are_refused_in_every_mode() {
    let stock = mlua::Lua::new();
    let dump = "return string.dump(load('PWNED = true return 42'))";
    let binary: mlua::LuaString = stock.load(dump).eval().unwrap();
    let binary = Bytes::copy_from_slice(&binary.as_bytes());
    assert_eq!(binary[0], 0x1b);
    let broker = builder().build().unwrap();
    let source = r"expose('try', function(chunk, how)
        local function pieces(size) local at = 0 return function()
          at = at + size return chunk:sub(at - size + 1, at) end end
        local ways = {
          plain = function() return load(chunk) end,
          none = function() return load(chunk, 'n', nil) end,
          env = function() return load(chunk, 'n', nil, _G) end,
          reader = function() return load(pieces(#chunk)) end,
          bytes = function() return load(pieces(1)) end,
          reader_b = function() return load(pieces(7), 'n', 'b') end,
          reader_bt = function() return load(pieces(7), 'n', 'bt', {}) end,
          waits = function() local f = pieces(20) return load(function() return later(f()) end) end,
          object = function() return load(chunk, 'n', setmetatable({}, {
            __eq = function() return true end, __tostring = function() return 'b' end})) end,
          number = function() return load(chunk, 'n', 1) end,
          boolean = function() return load(chunk, 'n', true) end,
          named = function() return load(chunk, '=\27Lua', 'b') end,
          wrapped = function() return coroutine.wrap(load)(chunk, 'n', 'bt') end,
          pcalled = function() return select(2, pcall(load, chunk, 'n', 'b')) end,
        }
        local way = ways[how] or function() return load(chunk, 'n', how) end
        local ok, f = pcall(way)
        if ok and type(f) == 'function' then f() end
        return ok and type(f) or 'error'
      end)
      expose('pwned', function() return PWNED ~= nil end)";
    let context = lua(&broker, source).await;
    for how in [
        "plain",
        "none",
        "env",
        "reader",
        "bytes",
        "reader_b",
        "reader_bt",
        "waits",
        "object",
        "number",
        "boolean",
        "named",
        "wrapped",
        "pcalled",
        "b",
        "bt",
        "tb",
        "bb",
        "t",
        "x",
        "",
        "B",
        "b\0",
    ] {
        let got = within(context.call::<String>("try", (binary.clone(), how))).await.unwrap();
        assert!(got != "function", "mode {how} loads it");
        assert!(!within(context.call::<bool>("pwned", ())).await.unwrap(), "mode {how} runs it");
    }
    // Neither as a script nor with something in front that Lua may pass over.
    for text in ["\u{1b}Lua", "\u{feff}\u{1b}Lua", "#!x\n\u{1b}Lua"] {
        assert_eq!(kind(within(context.eval::<Value>(text)).await), ErrorKind::Load, "of {text:?}");
    }
    // Text is loaded in all modes that allow it, as the manual says.
    for (expression, wanted) in [
        ("load('return 1')()", "1"),
        ("load('return 1', 'n', 't')()", "1"),
        ("load('return 1', 'n', 'bt')()", "1"),
        ("load('return x', 'n', 't', {x = 5})()", "5"),
        ("pcall(load('return x', 'n', 't', nil))", "false"),
        ("load('return 1', 'n', 'b')", "nil"),
        ("select('#', load('return', 'n')())", "0"),
        ("select(2, load('x =', '=name'))", "name:1: unexpected symbol near <eof>"),
        ("select(2, load('x =', '@file.lua'))", "file.lua:1: unexpected symbol near <eof>"),
        ("load(function() return nil end) ~= nil", "true"),
        ("pcall(load)", "false"),
        ("pcall(load, {})", "false"),
        ("select(2, load(function() error('reader', 0) end))", "reader"),
        ("select('#', load('x ='))", "2"),
    ] {
        assert_eq!(text(&context, expression).await, wanted, "of {expression}");
    }
}

// A finaliser runs with hooks off, so a looping one could not be ended: there are none.
#[tokio::test]
async fn finalisers_are_refused() {
    let limits = Limits::default().memory_bytes(8 << 20);
    let broker = builder().limits(limits).build().unwrap();
    let context = lua(&broker, "").await;
    for value in ["function() ran = true end", "true", "false", "0", "{}"] {
        let expression = format!("select(2, pcall(setmetatable, {{}}, {{__gc = {value}}}))");
        assert!(text(&context, &expression).await.contains("__gc is not allowed"), "of {value}");
    }
    // Added after the fact it does nothing, and the metatable cannot be set a second time.
    let source = "local function fin() ran = true end
        local m = {} local t = setmetatable({}, m) m.__gc = fin
        assert(not pcall(setmetatable, t, m))
        assert(not pcall(setmetatable, {}, m))
        setmetatable({}, setmetatable({}, {__index = {__gc = fin}}))
        setmetatable({}, setmetatable({}, {__index = function() return fin end}))
        local n = {} setmetatable({}, n) rawset(n, '__gc', fin)
        t, m, n = nil, nil, nil
        for i = 1, 200000 do local x = {i} end
        return ran";
    assert_eq!(within(context.eval::<Value>(source)).await.unwrap(), Value::Nil);
    // Nor does one run when the context closes.
    let source =
        "local m = {} keep = setmetatable({}, m) m.__gc = function() while true do end end";
    within(context.eval::<()>(source)).await.unwrap();
    within(context.close()).await;
}

// What holds the sandbox together is out of a script's reach.
#[tokio::test]
async fn protected_metatables_cannot_be_reached_or_changed() {
    let broker = builder().native("wire.connect", || 1).data("conf.name", "x").build().unwrap();
    let context = lua(&broker, "").await;
    for (expression, wanted) in [
        ("getmetatable(_G)", "false"),
        ("pcall(setmetatable, _G, {})", "false"),
        ("pcall(setmetatable, _G, nil)", "false"),
        ("getmetatable(wire)", "false"),
        ("pcall(setmetatable, wire, {})", "false"),
        ("getmetatable(select(2, pcall(fail, 'io', 'x')))", "false"),
        ("pcall(setmetatable, select(2, pcall(fail, 'io', 'x')), {})", "false"),
        ("pcall(rawset, select(2, pcall(fail, 'io', 'x')), 'kind', 'y')", "false"),
        ("pcall(rawget, select(2, pcall(fail, 'io', 'x')), 'kind')", "false"),
        ("pcall(rawlen, select(2, pcall(fail, 'io', 'x')))", "false"),
        ("pcall(next, select(2, pcall(fail, 'io', 'x')))", "false"),
        ("type(one)", "function"),
        ("type(wire.connect)", "function"),
        ("rawequal(one, one)", "true"),
    ] {
        assert_eq!(text(&context, expression).await, wanted, "of {expression}");
    }
    // A script may spoil what it sees itself, but nobody else's, and not what the library stands on.
    let source = "
        wire.connect = nil wire.other = 5 rawset(wire, 'more', 6)
        tostring, type, error, pcall, select = nil, nil, nil, nil, nil
        table.concat = nil string.format = nil setmetatable = nil
        _G.call = nil _ENV.expose = nil";
    within(context.eval::<()>(source)).await.unwrap();
    let source = "print(1, 2, {}) return load('return 7')()";
    assert_eq!(within(context.eval::<i64>(source)).await.unwrap(), 7);
    let other = lua(&broker, "").await;
    assert_eq!(text(&other, "wire.connect() + #conf.name").await, "2");
    assert_eq!(text(&other, "wire.other").await, "nil");
    assert_eq!(text(&other, "('x'):rep(2) .. table.concat({1, 2})").await, "xx12");
}

// C-154, C-156: the one metatable that all strings of a state share is the state's own.
#[tokio::test]
async fn changes_of_the_string_metatable_stay_in_their_context() {
    let broker = builder().build().unwrap();
    let first = lua(&broker, "").await;
    let second = lua(&broker, "").await;
    let source = "function string.shout(s) return s:upper() .. '!' end
                  getmetatable('').__add = function(a, b) return a .. b end
                  getmetatable('').__call = function(s) return 'called' end";
    within(first.eval::<()>(source)).await.unwrap();
    assert_eq!(text(&first, "('a'):shout() .. ('x' + 'y') .. ('s')()").await, "A!xycalled");
    assert_eq!(text(&second, "('a').shout").await, "nil");
    assert_eq!(text(&second, "pcall(function() return 'x' + 'y' end)").await, "false");
    let third = lua(&broker, "").await;
    assert_eq!(text(&third, "string.shout").await, "nil");
    // Even when the strings' metatable is emptied, calog's own parts work on.
    within(second.eval::<()>("getmetatable('').__index = nil string.rep = nil print('x')"))
        .await
        .unwrap();
    assert_eq!(text(&second, "pcall(fail, 'io', 'x')").await, "false");
}

type Lines = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

fn capturing() -> (Broker, Lines) {
    let lines = Lines::default();
    let sink = lines.clone();
    let broker = builder()
        .output(move |name, line| sink.lock().unwrap().push((name.to_string(), line.to_vec())))
        .build()
        .unwrap();
    (broker, lines)
}

// design.md "What every script sees": `print` goes to the context's output, a line at a time.
#[tokio::test]
async fn print_writes_lines_as_lua_formats_them() {
    let (broker, lines) = capturing();
    let context = named(&broker, "printer", 0, "").await;
    let take = || std::mem::take(&mut *lines.lock().unwrap());
    for (arguments, line) in [
        ("", &b""[..]),
        ("nil", b"nil"),
        ("nil, nil", b"nil\tnil"),
        ("'a', 1, 1.0, true, -0.0, 1e100", b"a\t1\t1.0\ttrue\t-0.0\t1e+100"),
        ("1/0, -1/0, math.mininteger", b"inf\t-inf\t-9223372036854775808"),
        ("'a\\0b'", b"a\0b"),
        ("'\\xff\\xfe'", b"\xff\xfe"),
        ("'two\\nlines'", b"two\nlines"),
        ("''", b""),
        ("'', ''", b"\t"),
        ("setmetatable({}, {__tostring = function() return 'object' end})", b"object"),
        ("1, setmetatable({}, {__tostring = function() return 'object' end})", b"1\tobject"),
        ("select(2, pcall(fail, 'io', 'disk'))", b"io: disk"),
        ("table.unpack({1, nil, 3}, 1, 3)", b"1\tnil\t3"),
        ("table.unpack({}, 1, 100)", &[&b"nil"[..]; 100].join(&b'\t')),
    ] {
        within(context.eval::<()>(&format!("print({arguments})"))).await.unwrap();
        assert_eq!(take(), [("printer".to_string(), line.to_vec())], "of print({arguments})");
    }
    within(context.eval::<()>("print(setmetatable({}, {__name = 'My.Type'}))")).await.unwrap();
    assert!(take()[0].1.starts_with(b"My.Type: 0x"));
    // As in stock Lua it returns nothing, and does not use a global that the script may have changed.
    assert_eq!(
        text(
            &context,
            "select('#', print('x')) + select('#', print('x', 'y')) + select('#', print())"
        )
        .await,
        "0"
    );
    within(context.eval::<()>("function tostring() return 'mine' end print(1)")).await.unwrap();
    assert_eq!(take().pop().unwrap().1, b"1");
    for arguments in [
        "setmetatable({}, {__tostring = function() return {} end})",
        "setmetatable({}, {__tostring = function() error('x') end})",
    ] {
        let result = within(context.eval::<()>(&format!("print({arguments})"))).await;
        assert_eq!(kind(result), ErrorKind::Raised);
    }
    assert!(take().is_empty());
}

// Output of overlapping contexts and calls is never torn within a line, and has the name of its context.
#[tokio::test]
async fn output_of_many_calls_comes_in_whole_lines() {
    let (broker, lines) = capturing();
    let source =
        "expose('NAME', function(i) for k = 1, 5 do print(i, later(k), ('x'):rep(100)) end end)";
    let mut calls = Vec::new();
    for name in ["a", "b"] {
        let context = named(&broker, name, 0, &source.replace("NAME", name)).await;
        calls.extend((0..20).map(|i| context.call::<()>(name, (i,))));
    }
    within(try_join_all(calls)).await.unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 200);
    for name in ["a", "b"] {
        for i in 0..20 {
            // The lines of one call are in order.
            let mine = lines.iter().filter(|(context, line)| {
                context == name && line.starts_with(format!("{i}\t").as_bytes())
            });
            let wanted: Vec<_> =
                (1..=5).map(|k| format!("{i}\t{k}\t{}", "x".repeat(100))).collect();
            let mine: Vec<_> =
                mine.map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect();
            assert_eq!(mine, wanted);
        }
    }
}

/// A folder of scripts.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            folder.file(name, content);
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn load(&self, broker: &Broker, name: &str) -> Context {
        within(broker.load(self.path().join(name)).into_future()).await.unwrap()
    }
}

const TRY: &str = "expose('try', function(name)
    local ok, e = pcall(require, name)
    if ok then return 'ok ' .. tostring(e) end
    return tostring(type(e) == 'userdata' and e.kind or 'raised') .. ' ' .. tostring(e)
  end)
  expose('req', function(name) return require(name) end)";

async fn tried(context: &Context, name: &[u8]) -> String {
    let name = Bytes::copy_from_slice(name);
    within(context.call::<String>("try", (name,))).await.unwrap()
}

// Beside the script, in folders below it, once.
#[tokio::test]
async fn modules_are_found_beside_the_script_and_run_once() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("util.lua", "runs = (runs or 0) + 1 return {n = runs, args = {...}}"),
        ("sub/inner.lua", "return {deep = require('sub.deep.er'), util = require('util')}"),
        ("sub/deep/er.lua", "return 'deeper'"),
        ("nothing.lua", "ran_nothing = (ran_nothing or 0) + 1"),
        ("falsy.lua", "ran_falsy = (ran_falsy or 0) + 1 return false"),
        ("with-dash_1.lua", "return 'dashed'"),
        ("gr\u{fc}n.lua", "return 'green'"),
        ("global.lua", "function from_module() return 'global' end"),
        ("native.lua", "return one() + later(1)"),
        ("second.lua", "main = 'second'"),
    ]);
    let broker = builder().build().unwrap();
    let context = folder.load(&broker, "main.lua").await;
    for (expression, wanted) in [
        ("require('util').n", "1"),
        ("require('util') == require('util')", "true"),
        ("require('util').args[1]", "util"),
        ("require('util').args[2]:match('[^/\\\\]+$')", "util.lua"),
        ("require('sub.inner').deep", "deeper"),
        ("require('sub.inner').util == require('util')", "true"),
        ("require('nothing')", "true"),
        ("require('nothing') and ran_nothing", "1"),
        ("require('falsy')", "false"),
        ("require('falsy') or ran_falsy", "1"),
        ("require('with-dash_1')", "dashed"),
        ("require('gr\u{fc}n')", "green"),
        ("require('global') and from_module()", "global"),
        ("require('native')", "2"),
        ("runs", "1"),
        ("select('#', require('util'))", "1"),
    ] {
        assert_eq!(text(&context, expression).await, wanted, "of {expression}");
    }
    // Every context has modules of its own.
    let other = folder.load(&broker, "second.lua").await;
    assert_eq!(text(&other, "require('util').n").await, "1");
}

// What a script does to its globals before is its own affair; a module may yield where it is asked for
// in a coroutine; who asks wrongly is told where.
#[tokio::test]
async fn require_is_a_function_like_those_of_the_library() {
    let folder = Folder::new(&[
        ("main.lua", "local r = require type, error, pcall, load = nil require = r"),
        ("util.lua", "return 'util'"),
        ("yields.lua", "return coroutine.yield('from the module')"),
    ]);
    let broker = builder().build().unwrap();
    let context = folder.load(&broker, "main.lua").await;
    assert_eq!(text(&context, "require('util')").await, "util");
    let yields = "local co = coroutine.wrap(function() return require('yields') end)
                  local first = co() return first .. ', then ' .. co('its result')";
    let got = within(context.eval::<String>(yields)).await.unwrap();
    assert_eq!(got, "from the module, then its result");
    let error = within(context.eval::<Value>("local x\nrequire(1)")).await.unwrap_err();
    let wanted = "eval:2: bad argument #1 to 'require' (string expected, got number)";
    assert_eq!(error.message(), wanted);
}

// What is not there, or not to be had, is an error that says so, and stays one.
#[tokio::test]
async fn modules_that_cannot_be_loaded_are_errors() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("broken.lua", "local x = 1\nlocal = 2"),
        ("raises.lua", "tries = (tries or 0) + 1 error('top level ' .. tries, 0)"),
        ("raises_table.lua", "error({code = 5})"),
        ("self.lua", "return require('self')"),
        ("a.lua", "return require('b')"),
        ("b.lua", "return require('c')"),
        ("c.lua", "return require('a')"),
        ("folder.lua/x.txt", ""),
        ("endless.lua", "while true do end"),
    ]);
    folder.file("binary.lua", b"\x1bLua\x54\x00");
    folder.file("latin.lua", b"return '\xe4'");
    let broker = builder().build().unwrap();
    let context = folder.load(&broker, "main.lua").await;
    let mut wrong = Vec::new();
    for (name, kind, part) in [
        ("missing", "not_found", "missing.lua"),
        ("sub.missing", "not_found", "missing.lua"),
        ("broken", "load", "broken.lua:2:"),
        ("latin", "load", "UTF-8"),
        ("binary", "load", "binary"),
        ("folder", "io", "folder"),
        ("raises", "raised", "top level 1"),
        ("raises", "raised", "top level 2"),
        ("self", "raised", "requires itself"),
        ("a", "raised", "requires itself"),
        ("b", "raised", "requires itself"),
    ] {
        let got = tried(&context, name.as_bytes()).await;
        if !(got.starts_with(kind) && got.contains(part)) {
            wrong.push(format!("{name}: {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The payload of what a module raises comes through.
    let error = within(context.call::<Value>("req", ("raises_table",))).await.unwrap_err();
    assert_eq!(error.payload(), &Value::map([("code", 5)]));
    // A module's frame is in the trace of what it raises.
    let error = within(context.call::<Value>("req", ("broken",))).await.unwrap_err();
    assert!(error.message().contains("broken.lua:2:"), "{error}");
    for argument in ["", "nil", "{}", "1", "print"] {
        let result = within(context.eval::<Value>(&format!("require({argument})"))).await;
        assert!(result.is_err(), "require({argument}) gave {result:?}");
    }
    // One that never ends is ended, and can be asked for again.
    for _ in 0..2 {
        let call = context.call::<Value>("req", ("endless",)).deadline(DEADLINE);
        assert_eq!(kind(within(call).await), ErrorKind::Timeout);
    }
    folder.file("endless.lua", "return 'ended'");
    assert_eq!(tried(&context, b"endless").await, "ok ended");
}

// design.md "Permissions": no file outside of the script's folder, by no name and by no link.
#[tokio::test]
async fn files_outside_of_the_folder_cannot_be_required() {
    let outside =
        Folder::new(&[("secret.lua", "return 'secret'"), ("main/sub/x.lua", "return 'x'")]);
    outside.file("main/main.lua", TRY);
    outside.file("main/inside.lua", "return 'inside'");
    let main = outside.path().join("main");
    let broker = builder().build().unwrap();
    let context = within(broker.load(main.join("main.lua")).into_future()).await.unwrap();
    let absolute = outside.path().join("secret").display().to_string();
    let mut names: Vec<Vec<u8>> = [
        "../secret",
        "..secret",
        "...secret",
        "sub...secret",
        "sub/../../secret",
        "./inside",
        "/etc/passwd",
        "sub/x",
        "sub\\x",
        "..",
        ".",
        "",
        " ",
        "inside ",
        "inside.",
        ".inside",
        "C:\\x",
        "inside\0",
        "\0inside",
        "inside.lua/",
        "~",
        "main/inside",
        "secret\n",
        "%2e%2e/secret",
        "sub..x",
        "file:///etc/passwd",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(absolute.clone().into_bytes());
    names.push(absolute.replace('/', ".").into_bytes());
    names.push(b"\xff\xfe".to_vec());
    names.push(b"x".repeat(100_000));
    for name in names {
        let got = tried(&context, &name).await;
        let refused = ["denied", "not_found", "io"].iter().any(|kind| got.starts_with(kind));
        assert!(refused, "{got:.200} of {:?}", String::from_utf8_lossy(&name));
    }
    assert_eq!(tried(&context, b"inside").await, "ok inside");
    assert_eq!(tried(&context, b"sub.x").await, "ok x");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(outside.path().join("secret.lua"), main.join("link.lua")).unwrap();
        symlink(outside.path(), main.join("up")).unwrap();
        symlink("../secret.lua", main.join("relative.lua")).unwrap();
        symlink(main.join("sub"), main.join("down")).unwrap();
        symlink(main.join("loop.lua"), main.join("loop.lua")).unwrap();
        for name in ["link", "up.secret", "relative"] {
            let got = tried(&context, name.as_bytes()).await;
            assert!(got.starts_with("denied"), "{got} of {name}");
        }
        assert!(!tried(&context, b"loop").await.starts_with("ok"));
        // A link that stays inside is as good as a file.
        assert_eq!(tried(&context, b"down.x").await, "ok x");
    }
}

// A script that came from no file has no folder.
#[tokio::test]
async fn require_without_a_file_is_unsupported() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, TRY).await;
    for name in ["main", "Cargo", "src", "tests.lua_sandbox"] {
        let got = tried(&context, name.as_bytes()).await;
        assert!(got.starts_with("unsupported"), "{got}");
    }
}

fn counting() -> (Broker, Gate, Arc<AtomicUsize>) {
    let (gate, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let (pass, loads) = (gate.clone(), count.clone());
    let broker = builder()
        .native_async("wait_here", move || pass.pass())
        .native("count_load", move || loads.fetch_add(1, SeqCst) + 1)
        .build()
        .unwrap();
    (broker, gate, count)
}

// C-117: calls that overlap want the same module while it loads.
#[tokio::test]
async fn overlapping_calls_load_a_slow_module_once() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("slow.lua", "local n = count_load() wait_here() return 'load ' .. n"),
        ("outer.lua", "return 'outer ' .. require('slow')"),
        (
            "fails.lua",
            "local n = count_load() wait_here() if n < 3 then error('failed ' .. n, 0) end return 'good'",
        ),
    ]);
    let (broker, gate, count) = counting();
    let context = folder.load(&broker, "main.lua").await;
    let names = ["slow", "slow", "outer", "slow", "outer"];
    let calls: Vec<_> =
        names.iter().map(|name| tokio::spawn(context.call::<String>("req", (*name,)))).collect();
    gate.arrived(1).await;
    gate.open(1);
    for (name, call) in names.iter().zip(calls) {
        let got = within(call).await.unwrap().unwrap();
        assert_eq!(got, if *name == "slow" { "load 1" } else { "outer load 1" });
    }
    assert_eq!(count.load(SeqCst), 1);
    // When the one that loads fails, the next one tries again; nobody waits for ever.
    count.store(0, SeqCst);
    gate.open(10);
    let calls: Vec<_> =
        (0..5).map(|_| tokio::spawn(context.call::<String>("req", ("fails",)))).collect();
    let mut good = 0;
    for call in calls {
        match within(call).await.unwrap() {
            Ok(got) => {
                assert_eq!(got, "good");
                good += 1;
            }
            Err(error) => assert!(error.message().starts_with("failed"), "{error}"),
        }
    }
    assert_eq!((good, count.load(SeqCst)), (3, 3));
}

// C-210: if the call that loads is cancelled, one of those who wait goes on with it.
#[tokio::test]
async fn a_cancelled_loader_hands_the_module_over() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("slow.lua", "local n = count_load() while true do local ok = pcall(wait_here) if ok then break end end
                      return 'load ' .. n"),
    ]);
    let (broker, gate, count) = counting();
    let context = folder.load(&broker, "main.lua").await;
    let first = tokio::spawn(context.call::<String>("req", ("slow",)));
    gate.arrived(1).await;
    let second = tokio::spawn(context.call::<String>("req", ("slow",)));
    let third = context.call::<String>("req", ("slow",)).deadline(DEADLINE);
    assert_eq!(kind(within(third).await), ErrorKind::Timeout);
    first.abort();
    assert!(within(first).await.unwrap_err().is_cancelled());
    gate.arrived(1).await;
    gate.open(1);
    assert_eq!(within(second).await.unwrap().unwrap(), "load 2");
    assert_eq!(count.load(SeqCst), 2);
}

// C-112: modules that require each other, begun at both ends by two calls, are an error and no deadlock.
#[tokio::test]
async fn a_circle_of_modules_across_two_calls_is_an_error() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("left.lua", "wait_here() return 'left ' .. require('right')"),
        ("right.lua", "wait_here() return 'right ' .. require('left')"),
        ("one_a.lua", "wait_here() return require('one_b')"),
        ("one_b.lua", "wait_here() return require('one_c')"),
        ("one_c.lua", "wait_here() return require('one_a')"),
    ]);
    let (broker, gate, _) = counting();
    let context = folder.load(&broker, "main.lua").await;
    for names in [&["left", "right"][..], &["one_a", "one_b", "one_c"]] {
        let calls: Vec<_> = names
            .iter()
            .map(|name| tokio::spawn(context.call::<String>("try", (*name,))))
            .collect();
        gate.arrived(u32::try_from(names.len()).unwrap()).await;
        gate.open(100);
        for call in calls {
            let got = within(call).await.unwrap().unwrap();
            assert!(got.contains("requires itself"), "{got} of {names:?}");
        }
    }
}

// C-111, C-112: a module whose top level calls another context that calls back for the same module.
#[tokio::test]
async fn a_module_that_is_required_again_through_another_context_does_not_hang() {
    let folder = Folder::new(&[
        ("main.lua", TRY),
        ("round.lua", "return 'round ' .. via()"),
        ("fine.lua", "return 'fine ' .. via_other()"),
        ("leaf.lua", "return 'leaf'"),
    ]);
    let broker = builder().build().unwrap();
    let context = folder.load(&broker, "main.lua").await;
    let source = "expose('via', function() return try('round') end)
                  expose('via_other', function() return try('leaf') end)";
    let _other = lua(&broker, source).await;
    let got = tried(&context, b"round").await;
    assert!(got.contains("requires itself"), "{got}");
    assert_eq!(tried(&context, b"fine").await, "ok fine ok leaf");
}

// C-072, C-080: what stands in front of the stock library behaves like it.
#[tokio::test]
async fn the_guarded_library_functions_are_those_of_stock_lua() {
    let broker = builder().build().unwrap();
    let context = lua(&broker, "").await;
    let list = "local function l(t) local s = '' for i = 1, #t do s = s .. tostring(t[i]) .. ',' end return s end ";
    let mut wrong = Vec::new();
    for snippet in [
        "local t = {1, 2, 3} table.insert(t, 9) table.insert(t, 1, 8) table.insert(t, 5, 7) return l(t)",
        "local t = {1, 2, 3} table.insert(t, 4, 'end') table.insert(t, 2.0, 'f') table.insert(t, '1', 's') return l(t)",
        "return select('#', table.insert({}, 1))",
        "return pcall(table.insert, {1, 2}, 5, 'x')",
        "return pcall(table.insert, {1, 2}, 0, 'x')",
        "return pcall(table.insert, {1, 2}, 'x', 'y')",
        "return pcall(table.insert, {1, 2}, 1.5, 'y')",
        "return pcall(table.insert, {1, 2})",
        "return pcall(table.insert, {1, 2}, 1, 2, 3)",
        "return pcall(table.insert, nil, 1)",
        "return pcall(table.insert, 'x', 1)",
        "return pcall(table.insert)",
        "local t = {1, 2, 3, 4} return table.remove(t), table.remove(t, 1), l(t), table.remove(t, 2), l(t)",
        "local t = {1, 2} return table.remove(t, 3), table.remove(t, '1'), table.remove(t, 1.0), l(t)",
        "return table.remove({}), table.remove({}, 0), table.remove({[0] = 'z'}, 0)",
        "return pcall(table.remove, {1, 2, 3}, 7)",
        "return pcall(table.remove, {1, 2, 3}, 'x')",
        "return pcall(table.remove)",
        "return l(table.move({1, 2, 3}, 1, 3, 2))",
        "return l(table.move({1, 2, 3}, 2, 3, 1))",
        "return l(table.move({1, 2, 3}, 1, 3, 3, {'a', 'b'}))",
        "return l(table.move({1, 2, 3}, '1', 2.0, 4)), l(table.move({1}, 1, 0, 5))",
        "return pcall(table.move, {}, 1, 2)",
        "return (pcall(table.move, {}, 1, math.maxinteger, 2))",
        "return (pcall(table.move, {}, math.mininteger, math.maxinteger, 2))",
        "return pcall(table.move, {}, 'x', 2, 3)",
        "return pcall(table.move, 1, 1, 2, 3)",
        "local t = {} for i = 1, 1000 do t[i] = i end table.move(t, 1, 1000, 300) return t[299], t[300], t[1299], #t",
        "local t = {} for i = 1, 1000 do t[i] = i end table.move(t, 300, 1000, 1) return t[1], t[701], t[702], #t",
        "local t = {3, 1, 2} table.sort(t) return l(t)",
        "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return l(t)",
        "local t = {'b', 'a', 'C'} table.sort(t, nil) return l(t)",
        "local t = {} for i = 1, 5000 do t[i] = i * 7919 % 5003 end table.sort(t) for i = 2, 5000 do
           assert(t[i - 1] <= t[i]) end return t[1], t[5000]",
        "return pcall(table.sort, {1, 'x'})",
        "return pcall(table.sort, {1, 2}, 5)",
        "return pcall(table.sort, {3, 1, 2, 5, 4}, function() return true end)",
        "return pcall(table.sort, {1, 2, 3}, function() error('in sort', 0) end)",
        "local t = {1, 2, 3} table.sort(t, rawequal) return #t",
        "return table.concat({1, 2.5, 'x'}, '-'), table.concat({}, 'x'), table.concat({1, 2, 3}, ',', 2, 3)",
        "return table.concat({1, 2, 3}, ',', 3, 2), pcall(table.concat, {1, {}, 3})",
        "return pcall(table.concat, {1}, ',', 1, 2)",
        "local t = {} for i = 1, 3000 do t[i] = i end local s = table.concat(t, ', ') return #s, s:sub(-10)",
        "return ('ab'):rep(3), ('ab'):rep(2, '-'), ('ab'):rep(0), ('ab'):rep(-1), (''):rep(5), (''):rep(3, '.')",
        "return string.rep(12, 2), string.rep('x', '3'), string.rep('x', 2.0)",
        "return pcall(string.rep, 'x', 1.5)",
        "return pcall(string.rep, '', 'x')",
        "return pcall(string.rep, '')",
        "return pcall(string.rep, {}, 1)",
        "return pcall(string.rep, 'x', 1 << 62)",
        "local n = 0 local t = setmetatable({}, {__newindex = function(t, k, v) n = n + 1 rawset(t, k, v) end})
           table.insert(t, 'a') table.insert(t, 1, 'b') return n, l(t)",
        "local t = setmetatable({}, {__index = function(_, i) return i * 10 end}) return l(table.move(t, 1, 3, 1, {}))",
        "return table.concat(setmetatable({}, {__index = function(_, i) return 'v' .. i end}), ',', 1, 4)",
        "local p = table.pack(1, nil, 3) return p.n, select('#', table.unpack(p, 1, p.n))",
    ] {
        let snippet = format!("{list}{snippet}");
        let wanted = stock(&snippet);
        let got = within(context.eval_as::<String>("=s", &shown(&snippet))).await;
        let got = got.unwrap_or_else(|error| format!("{error:?}"));
        if got != wanted {
            let snippet = snippet.strip_prefix(list).unwrap();
            wrong.push(format!("{snippet}\n  stock: {wanted}\n  here:  {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
