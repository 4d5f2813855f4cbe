//! Attempts to get out of the box, in every language and of every class, while canaries watch: a
//! file, a variable of the environment and a port that no script may ever see.
//!
//! A further engine is a row of `LANGUAGES` with attempts of its own.

#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use calog::{Broker, Context, Error, ErrorKind, Function, Permissions, Rest, Result, Value};
use languages::{exact, within};
use std::{
    fs,
    future::IntoFuture,
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// What stands in the files that no script may read.
const SECRET: &str = "the canary sings";

/// A variable of the environment, which cargo sets for every test; its value is the canary.
const VARIABLE: &str = "CARGO_MANIFEST_DIR";

/// One attempt: its class, the body of a function, and how that must end, as the value in full or
/// as `error: ` with the kind. `SECRET_FOLDER`, `PORT` and `VARIABLE` stand for where the canaries
/// sit.
type Attempt = (&'static str, &'static str, &'static str);

struct Language {
    engine: &'static str,
    extension: &'static str,
    /// A file that exposes the body as `attempt`.
    wrap: fn(&str) -> String,
    attempts: &'static [Attempt],
    /// What a module outside of the script's folder contains: it would give the secret away.
    module: &'static str,
    /// Spoils what all scripts of the language share, as far as it can.
    spoil: &'static str,
    /// What others must still find as it was: the body of a function, and its result.
    intact: (&'static str, &'static str),
}

const LANGUAGES: &[Language] = &[
    Language {
        engine: "lua",
        extension: "lua",
        wrap: |body| format!("expose('attempt', function(chunk, other)\n{body}\nend)"),
        attempts: LUA,
        module: "print('the canary sings') return 'the canary sings'",
        spoil: "local s = getmetatable('')
            s.__index = function() return function() return 'spoiled' end end
            s.__add = function() return 'spoiled' end
            string.rep, string.format, table.concat, tostring, type = nil, nil, nil, nil, nil
            math.type, pairs, next, select, rawget, error, pcall = nil, nil, nil, nil, nil, nil, nil
            expose, call, later = print, print, print
            return 'done'",
        intact: (
            "return {('x'):rep(2), '10' + 5, table.concat({1, 2}), tostring(1), math.type(1), type(call),
               (later({a = 1}).a), select('#', 1, 2), (pcall(error, 'x'))}",
            r#"["xx", 15, "12", "1", "integer", "function", 1, 2, false]"#,
        ),
    },
    Language {
        engine: "js",
        extension: "js",
        wrap: |body| {
            format!("expose('attempt', async (chunk, other) => {{\n{body}\n}});\nexport {{}};")
        },
        attempts: JS,
        module: "print('the canary sings'); export default 'the canary sings';",
        spoil: "Object.prototype.spoiled = 1;
            Object.defineProperty(Object.prototype, 'a', { set(v) { print('seen', v) }, get() { return 'spoiled' } });
            Object.defineProperty(Array.prototype, '0', { set(v) { print('seen', v) }, get() { return 'spoiled' } });
            Array.prototype.push = Array.prototype.map = Array.prototype[Symbol.iterator] = () => 'spoiled';
            String.prototype.repeat = Number.prototype.toString = () => 'spoiled';
            Function.prototype.call = Function.prototype.apply = () => 'spoiled';
            Promise.prototype.then = () => { throw 'spoiled' };
            Promise.resolve = Promise.reject = () => 'spoiled';
            JSON.stringify = Object.keys = Reflect.ownKeys = () => 'spoiled';
            globalThis.expose = globalThis.call = globalThis.later = print;
            return 'done'",
        intact: (
            "return ['x'.repeat(2), [1, 2].map(x => x + 1), JSON.stringify({ a: 1 }), (1).toString(), ({}).spoiled ?? null,
               later({ a: 1 }).a, (await later.async([1]))[0], [...[3]], Object.keys({ a: 1 }), typeof call]",
            r#"["xx", [2, 3], "{\"a\":1}", "1", nil, 1, 1, [3], ["a"], "function"]"#,
        ),
    },
    Language {
        engine: "basic",
        extension: "bas",
        wrap: |body| {
            let is_import = |line: &&str| line.trim_start().starts_with("import ");
            let (imports, body): (Vec<_>, Vec<_>) = body.lines().partition(is_import);
            let (imports, body) = (imports.join("\n"), body.join("\n"));
            format!("{imports}\nexpose(\"attempt\", lambda (chunk, other) (\n{body}\n))")
        },
        attempts: BASIC,
        module: "print \"the canary sings\";\nsecret = \"the canary sings\"",
        spoil: "srnd(1)
            later = lambda () (return \"spoiled\")
            s = shared
            s(0) = \"spoiled\"
            clear(s)
            return \"done\"",
        intact: (
            "items = sort(list(2, 1))
             return list(\"x\" + \"x\", items, str(1), val(\"5\"), later(list(1)), abs(-1), shared)",
            r#"["xx", [1, 2], "1", 5, [1], 1, ["host"]]"#,
        ),
    },
];

const LUA: &[Attempt] = &[
    // The host.
    ("host", "return os.execute", "nil"),
    ("host", "return os.execute('true')", "error: raised"),
    ("host", "return os.getenv('VARIABLE')", "error: raised"),
    ("host", "return io.open('SECRET_FOLDER/secret.txt')", "error: raised"),
    ("host", "return io", "nil"),
    ("host", "return package and package.loadlib", "nil"),
    ("host", "return debug and debug.getregistry()", "nil"),
    ("host", "return dofile('SECRET_FOLDER/secret.lua')", "error: raised"),
    ("host", "return loadfile('SECRET_FOLDER/secret.lua')", "error: raised"),
    ("host", "return net.connect('127.0.0.1', PORT)", "error: denied"),
    ("host", "return require('socket')", "error: not_found"),
    ("host", "return require('os').getenv('VARIABLE')", "error: not_found"),
    ("host", "return fs.read('SECRET_FOLDER/secret.txt')", "error: denied"),
    ("host", "return fs.read('allowed/../../outside/secret.txt')", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER/secret.txt\\0.txt')", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER')", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER/absent')", "error: denied"),
    ("host", "return fs.read('/proc/self/environ')", "error: denied"),
    ("host", "return fs.read('ALLOWED/link.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/linked/secret.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/../../outside/secret.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/open.txt')", "\"open\""),
    // Modules.
    ("module", "return require('../outside/secret')", "error: denied"),
    ("module", "return require('..outside.secret')", "error: denied"),
    ("module", "return require('SECRET_FOLDER/secret')", "error: denied"),
    ("module", "return require('secret')", "error: not_found"),
    ("module", "return require('link')", "error: denied"),
    ("module", "return require('linked.secret')", "error: denied"),
    ("module", "return require('linked.absent')", "error: denied"),
    ("module", "return require('link\\0')", "error: denied"),
    ("module", "return require('')", "error: denied"),
    ("module", "return require('.')", "error: denied"),
    ("module", "return require(('x'):rep(1e6))", "error: io"),
    (
        "module",
        "return require(setmetatable({}, {__tostring = function() return 'link' end}))",
        "error: raised",
    ),
    ("module", "return require('beside')", "\"beside\""),
    // Bytecode: `chunk` is what stock Lua dumps.
    ("bytecode", "return (load(chunk))", "nil"),
    ("bytecode", "return (load(chunk, 'x', 'b'))", "nil"),
    ("bytecode", "return (load(chunk, 'x', 'bt', {}))", "nil"),
    ("bytecode", "local c = chunk return (load(function() local r = c c = nil return r end, 'x', 'b'))", "nil"),
    ("bytecode", "return string.dump", "nil"),
    ("bytecode", "return require('compiled')", "error: load"),
    // The box.
    ("box", "return getmetatable(_G)", "false"),
    ("box", "return setmetatable(_G, {__index = function() return 'x' end})", "error: raised"),
    ("box", "return getmetatable(print)", "nil"),
    ("box", "return getmetatable(fs)", "false"),
    ("box", "fs.read = function() return 'mine' end return fs.read('x')", "\"mine\""),
    ("box", "rawset(fs, 'read', nil) return fs.read('SECRET_FOLDER/secret.txt')", "error: denied"),
    ("box", "local _ENV = {} return io", "nil"),
    ("box", "return load('return _ENV.io or debug', 'x', 't', _G)()", "nil"),
    ("box", "return load('return io', 'x', 't', getmetatable('').__index)()", "nil"),
    ("box", "return getmetatable('').__index.dump", "nil"),
    ("box", "return setmetatable({}, {__gc = function() end})", "error: raised"),
    ("box", "return coroutine.close(coroutine.running())", "error: raised"),
    ("box", "return select('#', require) and require.loaders", "error: raised"),
    ("box", "return ('').format('%p', nil)", "\"(null)\""),
    // Others. `other` is a function of a context that has closed since, and whose place another one has.
    ("others", "return other()", "error: dead"),
    ("others", "return call(other, 1)", "error: dead"),
    ("others", "return call(1)", "error: type"),
    ("others", "return call(0)", "error: type"),
    ("others", "return call({key = 1, context = 1})", "error: type"),
    ("others", "return call('')", "error: not_found"),
    ("others", "return call('victim.hidden')", "error: not_found"),
    ("others", "expose('victim.work', function() return 'mine' end)", "error: denied"),
    ("others", "expose('victim', {})", "error: denied"),
    ("others", "expose('later', function() end)", "error: denied"),
    ("others", "expose('fs', {})", "error: denied"),
    ("others", "expose('fs.read', function() end)", "error: denied"),
    ("others", "expose('fs.read.more', 1)", "error: denied"),
    ("others", "expose('shared', 1)", "error: denied"),
    ("others", "victim.work = function() return 'mine' end return call('victim.work', 1)", "2"),
    ("others", "shared[1] = 'mine' return call('victim.looks')", "\"host\""),
    ("others", "local t = victim.data t.x = 'mine' return call('victim.own')", "\"own\""),
    // Arguments of natives: what they get is what they check and what they use.
    (
        "arguments",
        "local n = 0
         return checked(setmetatable({}, {__index = function() n = n + 1 return n == 1 and 'good' or 'bad' end}))",
        "error: type",
    ),
    ("arguments", "return checked(setmetatable({}, {__tostring = function() return 'good' end}))", "error: type"),
    ("arguments", "return later(setmetatable({}, {__len = function() return 5 end}))", "[]"),
    ("arguments", "return later(setmetatable({1}, {__index = function() return 2 end}))", "[1]"),
    (
        "arguments",
        "return later(setmetatable({}, {__pairs = function() return function() return 'x', 1 end end}))",
        "[]",
    ),
    ("arguments", "local t = {'good'} later(t) t[1] = 'bad' return kept()", "[\"good\"]"),
    ("arguments", "local t = {} t.t = t return later(t)", "error: unrepresentable"),
    ("arguments", "return checked('good', 'more')", "error: arity"),
    ("arguments", "return checked()", "error: arity"),
    ("arguments", "return checked('good')", "\"good\""),
];

const JS: &[Attempt] = &[
    // The host.
    ("host", "return process.env.VARIABLE", "error: raised"),
    ("host", "return globalThis.process ?? globalThis.Deno ?? globalThis.Bun ?? null", "nil"),
    ("host", "return require('fs').readFileSync('SECRET_FOLDER/secret.txt')", "error: raised"),
    (
        "host",
        "return globalThis.require ?? globalThis.std ?? globalThis.os ?? globalThis.bjson ?? null",
        "nil",
    ),
    (
        "host",
        "return globalThis.fetch ?? globalThis.XMLHttpRequest ?? globalThis.WebSocket ?? null",
        "nil",
    ),
    (
        "host",
        "return globalThis.Worker ?? globalThis.SharedArrayBuffer ?? globalThis.Atomics ?? null",
        "nil",
    ),
    (
        "host",
        "return globalThis.scriptArgs ?? globalThis.gc ?? globalThis.loadScript ?? null",
        "nil",
    ),
    ("host", "return net.connect('127.0.0.1', PORT)", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER/secret.txt')", "error: denied"),
    ("host", "return await fs.read.async('SECRET_FOLDER/secret.txt')", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER/secret.txt\\0.txt')", "error: denied"),
    ("host", "return fs.read('SECRET_FOLDER/absent')", "error: denied"),
    ("host", "return fs.read('/proc/self/environ')", "error: denied"),
    ("host", "return fs.read('ALLOWED/link.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/linked/secret.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/../../outside/secret.txt')", "error: denied"),
    ("host", "return fs.read('ALLOWED/open.txt')", "b\"open\""),
    // Modules.
    ("module", "return (await import('../outside/secret.js')).default", "error: denied"),
    ("module", "return (await import('../outside/absent.js')).default", "error: denied"),
    ("module", "return (await import('SECRET_FOLDER/secret.js')).default", "error: not_found"),
    (
        "module",
        "return (await import('file://SECRET_FOLDER/secret.js')).default",
        "error: not_found",
    ),
    ("module", "return (await import('http://127.0.0.1:PORT/x.js')).default", "error: not_found"),
    (
        "module",
        "return (await import('data:text/javascript,export default 1')).default",
        "error: not_found",
    ),
    ("module", "return (await import('std')).getenv('VARIABLE')", "error: not_found"),
    ("module", "return (await import('os')).open('SECRET_FOLDER/secret.txt')", "error: not_found"),
    ("module", "return (await import('qjs:std')).getenv('VARIABLE')", "error: not_found"),
    ("module", "return (await import('node:fs')).readFileSync", "error: not_found"),
    ("module", "return (await import('./link.js')).default", "error: denied"),
    ("module", "return (await import('./linked/secret.js')).default", "error: denied"),
    ("module", "return (await import('./linked/absent.js')).default", "error: denied"),
    ("module", "return (await import('./link.js\\0')).default", "error: denied"),
    ("module", "return (await import('./a/../../outside/secret.js')).default", "error: denied"),
    (
        "module",
        "return (await import('.\\\\..\\\\outside\\\\secret.js')).default",
        "error: not_found",
    ),
    (
        "module",
        "return (await import({ toString() { return './link.js' } })).default",
        "error: denied",
    ),
    ("module", "return (await eval(\"import('./link.js')\")).default", "error: denied"),
    (
        "module",
        "return (await Function(\"return import('../outside/secret.js')\")()).default",
        "error: denied",
    ),
    ("module", "return (await import('./beside.js')).default", "\"beside\""),
    ("module", "return Object.keys(import.meta)", "[]"),
    // Bytecode: `chunk` is what QuickJS writes.
    ("bytecode", "return (await import('./compiled.js')).default", "error: load"),
    ("bytecode", "return typeof eval(chunk)", "\"object\""),
    ("bytecode", "return eval(String.fromCharCode(...chunk))", "error: raised"),
    ("bytecode", "return Function(String.fromCharCode(...chunk))()", "error: raised"),
    // The box.
    ("box", "return Function('return typeof process')()", "\"undefined\""),
    ("box", "return Function('return this')().process ?? null", "nil"),
    (
        "box",
        "return (0, eval)('this').constructor.constructor('return typeof std')()",
        "\"undefined\"",
    ),
    ("box", "return (async () => {}).constructor('return typeof os')()", "\"undefined\""),
    ("box", "return call.constructor('return typeof require')()", "\"undefined\""),
    ("box", "fs.read = () => 'mine'; return fs.read('x')", "\"mine\""),
    ("box", "Object.setPrototypeOf(globalThis, { later: 1 }); return typeof later", "\"number\""),
    ("box", "return typeof arguments.callee.caller", "error: raised"),
    (
        "box",
        "Error.prepareStackTrace = () => 'mine'; return new Error('x').stack === 'mine'",
        "false",
    ),
    ("box", "return Symbol.for('calog') in globalThis", "false"),
    ("box", "return new Proxy(call, {})('later', 1)", "1"),
    ("box", "return Reflect.construct(call, ['later', 1])", "error: raised"),
    (
        "box",
        "return Reflect.apply(fs.read, { allowed: true }, ['SECRET_FOLDER/secret.txt'])",
        "error: denied",
    ),
    (
        "box",
        "Object.prototype.allowed = true; return fs.read('SECRET_FOLDER/secret.txt')",
        "error: denied",
    ),
    // Others.
    ("others", "return other()", "error: dead"),
    ("others", "return await other.async()", "error: dead"),
    ("others", "return call(1)", "error: type"),
    ("others", "return call(0)", "error: type"),
    ("others", "return call({ key: 1, context: 1 })", "error: type"),
    ("others", "return call(Object.create(other))", "error: type"),
    ("others", "return call(Object.setPrototypeOf(() => 'own', other))", "\"own\""),
    ("others", "return call('')", "error: not_found"),
    ("others", "return call('victim.hidden')", "error: not_found"),
    ("others", "expose('victim.work', () => 'mine')", "error: denied"),
    ("others", "expose('victim', {})", "error: denied"),
    ("others", "expose('later', () => {})", "error: denied"),
    ("others", "expose('fs', {})", "error: denied"),
    ("others", "expose('fs.read', () => {})", "error: denied"),
    ("others", "expose('fs.read.more', 1)", "error: denied"),
    ("others", "expose('shared', 1)", "error: denied"),
    ("others", "shared[0] = 'mine'; return call('victim.looks')", "\"host\""),
    ("others", "const t = victim.data; t.x = 'mine'; return call('victim.own')", "\"own\""),
    // Arguments of natives.
    (
        "arguments",
        "let n = 0; return later({ get x() { return n++ ? 'bad' : 'good' } })",
        "{\"x\": \"good\"}",
    ),
    (
        "arguments",
        "let n = 0; return checked(new Proxy({}, { get() { return n++ ? 'bad' : 'good' } }))",
        "error: type",
    ),
    ("arguments", "return checked({ toString() { return 'good' } })", "error: type"),
    ("arguments", "return checked(new String('good'))", "\"good\""),
    ("arguments", "const a = []; a.length = 5; return later(a)", "[nil, nil, nil, nil, nil]"),
    (
        "arguments",
        "return later(new Proxy([1], { get: (t, k) => k === 'length' ? 1e9 : 7 }))",
        "error: range",
    ),
    (
        "arguments",
        "const a = [1, 2, 3]; Object.defineProperty(a, 0, { get() { a.length = 0; return 9 } }); return later(a)",
        "[9, nil, nil]",
    ),
    (
        "arguments",
        "const o = { get a() { delete o.b; return 1 }, b: 2 }; return later(o)",
        "{\"a\": 1, \"b\": nil}",
    ),
    ("arguments", "return await later.async({ then(f) { f('bad') } })", "\"bad\""),
    ("arguments", "const p = { then(f) { f('late') } }; return p", "\"late\""),
    ("arguments", "const t = ['good']; later(t); t[0] = 'bad'; return kept()", "[\"good\"]"),
    ("arguments", "const p = later.async(['good']); await p; return kept()", "[\"good\"]"),
    (
        "arguments",
        "const t = ['good']; const p = later.async(t); t[0] = 'bad'; await p; return kept()",
        "[\"good\"]",
    ),
    (
        "arguments",
        "const b = new Uint8Array([1]); const p = later.async(b); b[0] = 2; await p; return kept()[0] ?? 'bytes'",
        "1",
    ),
    ("arguments", "Object.prototype.spoilt = 1; return later({ b: 1 })", "{\"b\": 1}"),
    (
        "arguments",
        "Object.defineProperty(Array.prototype, '0', { set(v) { throw 'seen' } }); return [later([1]), shared].length",
        "2",
    ),
    (
        "arguments",
        "Object.defineProperty(Object.prototype, 'b', { set(v) { throw 'seen' } }); return later({ ['b']: 1 }).b",
        "1",
    ),
    ("arguments", "const t = {}; t.t = t; return later(t)", "error: unrepresentable"),
    ("arguments", "return checked('good', 'more')", "error: arity"),
    ("arguments", "return checked()", "error: arity"),
    ("arguments", "return checked('good')", "\"good\""),
];

const BASIC: &[Attempt] = &[
    // The host.
    ("host", "return sys(\"true\")", "error: raised"),
    ("host", "return net.connect(\"127.0.0.1\", PORT)", "error: denied"),
    ("host", "return fs.read(\"SECRET_FOLDER/secret.txt\")", "error: denied"),
    ("host", "return FS.Read(\"SECRET_FOLDER/secret.txt\")", "error: denied"),
    ("host", "f = call(\"fs.read\")\nreturn f(\"SECRET_FOLDER/secret.txt\")", "error: denied"),
    ("host", "import \"@fs\"\nreturn read(\"SECRET_FOLDER/secret.txt\")", "error: denied"),
    ("host", "return fs.read(\"SECRET_FOLDER/secret.txt\" + chr(0) + \".txt\")", "error: denied"),
    ("host", "return fs.read(\"SECRET_FOLDER\")", "error: denied"),
    ("host", "return fs.read(\"SECRET_FOLDER/absent\")", "error: denied"),
    ("host", "return fs.read(\"/proc/self/environ\")", "error: denied"),
    ("host", "return fs.read(\"ALLOWED/link.txt\")", "error: denied"),
    ("host", "return fs.read(\"ALLOWED/linked/secret.txt\")", "error: denied"),
    ("host", "return fs.read(\"ALLOWED/../../outside/secret.txt\")", "error: denied"),
    ("host", "return fs.read(\"ALLOWED/open.txt\")", "\"open\""),
    // Files that are imported.
    ("module", "import \"../outside/secret.bas\"\nreturn secret", "error: load"),
    ("module", "import \"../outside/absent.bas\"\nreturn 1", "error: load"),
    ("module", "import \"SECRET_FOLDER/secret.bas\"\nreturn secret", "error: load"),
    ("module", "import \"SECRET_FOLDER/secret.txt\"\nreturn 1", "error: load"),
    ("module", "import \"/proc/self/environ\"\nreturn 1", "error: load"),
    ("module", "import \"link.bas\"\nreturn secret", "error: load"),
    ("module", "import \"linked/secret.bas\"\nreturn secret", "error: load"),
    ("module", "import \"linked/absent.bas\"\nreturn 1", "error: load"),
    ("module", "import \"a/../../outside/secret.bas\"\nreturn secret", "error: load"),
    ("module", "import \"\"\nreturn 1", "error: load"),
    ("module", "import \".\"\nreturn 1", "error: load"),
    ("module", "import \"@../outside/secret\"\nreturn secret", "0"),
    ("module", "import \"beside.bas\"\nreturn beside", "\"beside\""),
    // The box.
    ("box", "fs.read = lambda (name) (return \"mine\")\nreturn 1", "error: raised"),
    ("box", "fs = dict()\nreturn fs.read(\"SECRET_FOLDER/secret.txt\")", "error: raised"),
    ("box", "return len(reflect(other))", "error: raised"),
    ("box", "return get(other, \"key\")", "error: raised"),
    // Others. `other` is a function of a context that has closed since, and whose place another one has.
    ("others", "return other()", "error: dead"),
    ("others", "f = call(other)\nreturn f(1)", "error: dead"),
    ("others", "n = 1\nf = call(n)\nreturn f()", "error: type"),
    ("others", "n = dict(\"key\", 1, \"context\", 1)\nf = call(n)\nreturn f()", "error: type"),
    ("others", "f = call(\"\")\nreturn f()", "error: not_found"),
    ("others", "f = call(\"victim.hidden\")\nreturn f()", "error: not_found"),
    ("others", "return victim.hidden()", "error: raised"),
    ("others", "expose(\"victim.work\", lambda () (return \"mine\"))", "error: denied"),
    ("others", "expose(\"victim\", dict())", "error: denied"),
    ("others", "expose(\"later\", lambda () (return))", "error: denied"),
    ("others", "expose(\"fs\", dict())", "error: denied"),
    ("others", "expose(\"fs.read\", lambda () (return))", "error: denied"),
    ("others", "expose(\"fs.read.more\", 1)", "error: denied"),
    ("others", "expose(\"shared\", 1)", "error: denied"),
    ("others", "s = shared\ns(0) = \"mine\"\nreturn victim.looks()", "\"host\""),
    ("others", "t = victim.data\nt(\"x\") = \"mine\"\nreturn victim.own()", "\"own\""),
    // Arguments of natives.
    ("arguments", "t = list(\"good\")\nlater(t)\nt(0) = \"bad\"\nreturn kept()", "[\"good\"]"),
    ("arguments", "t = list()\npush(t, t)\nreturn later(t)", "error: unrepresentable"),
    ("arguments", "t = dict()\nt(\"t\") = list(t)\nreturn later(t)", "error: unrepresentable"),
    ("arguments", "t = dict(list(), 1)\nreturn later(t)", "error: unrepresentable"),
    ("arguments", "return later(type(1))", "error: unrepresentable"),
    ("arguments", "i = iterator(list(1))\nreturn later(list(i))", "error: unrepresentable"),
    ("arguments", "return checked(\"good\", \"more\")", "error: arity"),
    ("arguments", "return checked()", "error: arity"),
    ("arguments", "return checked(list(\"good\"))", "error: type"),
    ("arguments", "return checked(\"good\")", "\"good\""),
];

/// All that a script could see or say, where canaries are looked for.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    fn add(&self, text: &str) {
        let mut all = self.0.lock().unwrap();
        all.push_str(text);
        all.push('\n');
    }
}

/// The folders, the port, and a broker with a victim.
struct Sandbox {
    root: TempDir,
    port: TcpListener,
    heard: Heard,
    broker: Broker,
}

impl Sandbox {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        for folder in ["outside", "inside", "allowed"] {
            fs::create_dir(path.join(folder)).unwrap();
        }
        fs::write(path.join("outside/secret.txt"), SECRET).unwrap();
        fs::write(path.join("allowed/open.txt"), "open").unwrap();
        for language in LANGUAGES {
            let extension = language.extension;
            fs::write(path.join(format!("outside/secret.{extension}")), language.module).unwrap();
        }
        fs::write(path.join("inside/beside.lua"), "return 'beside'").unwrap();
        fs::write(path.join("inside/beside.js"), "export default 'beside'").unwrap();
        fs::write(path.join("inside/beside.bas"), "beside = \"beside\"").unwrap();
        fs::write(path.join("inside/compiled.lua"), lua_bytecode()).unwrap();
        fs::write(path.join("inside/compiled.js"), js_bytecode()).unwrap();
        #[cfg(unix)]
        for (target, link) in [
            ("outside/secret.lua", "inside/link.lua"),
            ("outside/secret.js", "inside/link.js"),
            ("outside/secret.bas", "inside/link.bas"),
            ("outside", "inside/linked"),
            ("outside/secret.txt", "allowed/link.txt"),
            ("outside", "allowed/linked"),
        ] {
            std::os::unix::fs::symlink(path.join(target), path.join(link)).unwrap();
        }
        let heard = Heard::default();
        let (prints, failures) = (heard.clone(), heard.clone());
        let kept = Arc::new(Mutex::new(Value::Nil));
        let keeps = kept.clone();
        let broker = Broker::builder()
            .workers(1)
            .output(move |_, line| prints.add(&String::from_utf8_lossy(line)))
            .on_failure(move |failure| failures.add(&format!("{:?}", failure.error)))
            .data("shared", Value::list(["host"]))
            .native_async("later", move |value: Value| {
                *keeps.lock().unwrap() = value.clone();
                async move {
                    tokio::task::yield_now().await;
                    value
                }
            })
            .native("kept", move || kept.lock().unwrap().clone())
            .native("checked", |text: String| match text.as_str() {
                "good" => Ok(text),
                _ => Err(Error::new(ErrorKind::Denied, "not good")),
            })
            .native_async("apply", |f: Function, rest: Rest<Value>| async move {
                f.call_raw(rest.0).await
            })
            .build()
            .unwrap();
        let victim = broker.open("lua").name("victim").await.unwrap();
        let source = "local own = {x = 'own'}
            expose('victim.work', function(x) return x + 1 end)
            expose('victim.data', own)
            expose('victim.own', function() return own.x end)
            expose('victim.looks', function() return shared[1] end)
            function hidden() return 'the canary sings' end";
        victim.eval::<()>(source).await.unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        port.set_nonblocking(true).unwrap();
        Self { root, port, heard, broker }
    }

    /// A context of a file in the inner folder.
    async fn open(&self, language: &Language, text: &str) -> Result<Context> {
        let file = self.root.path().join("inside").join(format!("main.{}", language.extension));
        fs::write(&file, text).unwrap();
        let permissions = Permissions::none().allow_read(self.root.path().join("allowed"));
        within(self.broker.load(&file).permissions(permissions).into_future()).await
    }

    fn filled(&self, body: &str) -> String {
        let path = |folder: &str| self.root.path().join(folder).display().to_string();
        let port = self.port.local_addr().unwrap().port().to_string();
        body.replace("SECRET_FOLDER", &path("outside"))
            .replace("ALLOWED", &path("allowed"))
            .replace("PORT", &port)
            .replace("VARIABLE", VARIABLE)
    }

    /// How `body` ends, as a text.
    async fn attempt(&self, language: &Language, body: &str, other: &Function) -> String {
        let result = match self.open(language, &(language.wrap)(&self.filled(body))).await {
            Err(error) => Err(error),
            Ok(context) => {
                let chunk = if language.engine == "lua" { lua_bytecode() } else { js_bytecode() };
                let call = context.call("attempt", (bytes::Bytes::from(chunk), other.clone()));
                let result = within(call).await;
                within(context.close()).await;
                result
            }
        };
        self.heard.add(&format!("{result:?}"));
        match result {
            Ok(value) => exact(&value),
            Err(error) => {
                self.heard.add(&format!("{} {}", error.message(), exact(error.payload())));
                format!("error: {}", error.kind())
            }
        }
    }

    /// What the canaries have seen.
    fn alarms(&self) -> Vec<String> {
        let heard = self.heard.0.lock().unwrap();
        let variable = std::env::var(VARIABLE).unwrap();
        let mut alarms = Vec::new();
        for (canary, secret) in [("the file", SECRET), ("the variable", variable.as_str())] {
            alarms.extend(
                heard
                    .lines()
                    .filter(|line| line.contains(secret))
                    .map(|line| format!("{canary}: {line}")),
            );
        }
        if self.port.accept().is_ok() {
            alarms.push("somebody has connected".into());
        }
        alarms
    }
}

/// What stock Lua dumps of a function.
fn lua_bytecode() -> Vec<u8> {
    let lua = mlua::Lua::new();
    let dump: mlua::LuaString = lua.load("return string.dump(load('return 42'))").eval().unwrap();
    dump.as_bytes().to_vec()
}

/// What QuickJS writes of a module.
fn js_bytecode() -> Vec<u8> {
    let runtime = rquickjs::Runtime::new().unwrap();
    let context = rquickjs::Context::full(&runtime).unwrap();
    context.with(|ctx| {
        let module = rquickjs::Module::declare(ctx, "compiled", "export default 42").unwrap();
        module.write(rquickjs::module::WriteOptions::default()).unwrap()
    })
}

/// A function of a context that has closed, whose place another context has taken.
async fn stale(broker: &Broker) -> Function {
    let context = broker.open("lua").await.unwrap();
    context.eval::<()>("expose('stale', function() return 'stale' end)").await.unwrap();
    let function = context.function("stale").unwrap();
    let id = context.id();
    within(context.close()).await;
    let next = broker.open("lua").name("next").await.unwrap();
    next.eval::<()>("expose('next', function() return 'the canary sings' end)").await.unwrap();
    assert_eq!(next.id().slot(), id.slot());
    assert_ne!(next.id(), id);
    function
}

#[tokio::test]
async fn no_attempt_gets_out_of_the_box() {
    let sandbox = Sandbox::new().await;
    let other = stale(&sandbox.broker).await;
    let mut wrong = Vec::new();
    for (engine, _) in sandbox.broker.engines() {
        let language = LANGUAGES.iter().find(|language| language.engine == engine);
        let language = language.unwrap_or_else(|| panic!("no attempts for the engine {engine}"));
        for (class, body, wanted) in language.attempts {
            let got = sandbox.attempt(language, body, &other).await;
            if got != *wanted {
                wrong.push(format!("{engine}, {class}: {body}\n    {got} instead of {wanted}"));
            }
        }
    }
    wrong.extend(sandbox.alarms());
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// The alarms can sound.
#[tokio::test]
async fn canaries_sing_when_they_are_seen() {
    let sandbox = Sandbox::new().await;
    assert!(sandbox.alarms().is_empty());
    sandbox.heard.add(&format!("x {SECRET}"));
    sandbox.heard.add(&std::env::var(VARIABLE).unwrap());
    let port = sandbox.port.local_addr().unwrap();
    let connected = std::net::TcpStream::connect(port).unwrap();
    assert_eq!(sandbox.alarms().len(), 3);
    drop(connected);
    assert!(Path::new(&sandbox.filled("SECRET_FOLDER/secret.txt")).exists());
}

// A binary file is no script, in no language.
#[tokio::test]
async fn bytecode_is_no_script() {
    let sandbox = Sandbox::new().await;
    for name in ["compiled.lua", "compiled.js"] {
        let path = sandbox.root.path().join("inside").join(name);
        let error = within(sandbox.broker.load(path).into_future()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load, "{name}");
    }
}

// The statement of a language that exports takes no name of others either.
#[tokio::test]
async fn a_module_exports_no_name_of_others() {
    let sandbox = Sandbox::new().await;
    let js = LANGUAGES.iter().find(|language| language.engine == "js").unwrap();
    let names = sandbox.broker.names();
    for text in [
        "export const later = 1",
        "export const fs = { read() {} }",
        "export function victim() {}",
        "const f = () => {}; export { f as 'victim.work' }",
        "export const shared = 1",
    ] {
        let error = sandbox.open(js, text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{text}: {error:?}");
        assert_eq!(sandbox.broker.names(), names, "{text} leaves something");
    }
}

// What a script does to what its language shares stays in its own context, on the same worker too.
#[tokio::test]
async fn what_one_context_spoils_is_whole_in_the_others() {
    let sandbox = Sandbox::new().await;
    let other = sandbox.broker.context(sandbox.broker.contexts()[0].id()).unwrap();
    let function = other.function("victim.work").unwrap();
    for language in LANGUAGES {
        let open = async |text: &str| sandbox.open(language, &(language.wrap)(text)).await;
        let (body, wanted) = language.intact;
        let before = open(body).await.unwrap();
        let call = async |context: &Context| {
            let result =
                within(context.call::<Value>("attempt", (Value::Nil, function.clone()))).await;
            exact(&result.unwrap())
        };
        assert_eq!(call(&before).await, wanted);
        within(before.close()).await;
        let spoilt = open(language.spoil).await.unwrap();
        let result = within(spoilt.call::<Value>("attempt", ())).await;
        assert_eq!(exact(&result.unwrap()), "\"done\"");
        // The name is taken while it lives, so the next one is asked by a source.
        let next = sandbox.broker.open(language.engine).await.unwrap();
        let text = (language.wrap)(body).replace("attempt", "next").replace("export {};", "null");
        within(next.eval::<()>(&text)).await.unwrap();
        let result = within(next.call::<Value>("next", (Value::Nil, function.clone()))).await;
        assert_eq!(exact(&result.unwrap()), wanted);
        within(spoilt.close()).await;
        within(next.close()).await;
    }
    assert_eq!(sandbox.alarms(), Vec::<String>::new());
}

/// The program `calog`, which has a canary in its environment.
#[cfg(feature = "cli")]
fn run(file: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_calog"));
    let output = command.arg("run").arg(file).env("CALOG_CANARY", SECRET).output().unwrap();
    (output.stdout, output.stderr)
}

// What a script raises is shown by the program without what a terminal would obey.
#[cfg(feature = "cli")]
#[test]
fn reports_of_errors_carry_no_escapes_of_terminals() {
    let folder = tempfile::tempdir().unwrap();
    let escape = r"\x1b]0;title\x07\x1b[2J\x9b31m\r\x08";
    for (name, text) in [
        ("text.lua", format!("error('{escape}', 0)")),
        ("table.lua", format!("error({{['{escape}'] = '{escape}'}})")),
        (
            "name.lua",
            format!("local t = {{['{escape}'] = function() error('x') end}} t['{escape}']()"),
        ),
        ("chunk.lua", format!("load('error(1)', '={escape}')()")),
        ("text.js", format!("throw new Error('{escape}')")),
        ("name.js", format!("const e = new Error('x'); e.name = '{escape}'; throw e")),
        ("value.js", format!("throw {{ '{escape}': '{escape}' }}")),
        ("function.js", format!("const o = {{ '{escape}'() {{ throw 1 }} }}; o['{escape}']()")),
        ("source.js", format!("(0, eval)('throw new Error(1) //# sourceURL={escape}')")),
        ("promise.js", format!("Promise.reject('{escape}')")),
        ("text.bas", "raise(chr(27) + \"]0;title\" + chr(7) + chr(13) + chr(8))".into()),
        ("name.bas", "raise(\"x\", dict(chr(27) + \"[2J\", chr(0x9bc2)))".into()),
        ("syntax.bas", "x = \x1b[2J".into()),
        ("syntax.lua", "x = \x1b[2J".into()),
        ("syntax.js", "let x = \x1b[2J".into()),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let (out, err) = run(&file);
        assert!(!err.is_empty(), "{name} says nothing");
        let shown = String::from_utf8_lossy(&err);
        let bad = shown.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(bad.collect::<String>(), "", "{name}: {}", err.escape_ascii());
        assert_eq!(String::from_utf8_lossy(&out), "", "{name}");
    }
}

// Everything that can be reached from the global names of a script, shown: no canary is in it.
#[cfg(feature = "cli")]
#[test]
fn nothing_that_a_script_reaches_shows_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let lua = "local seen = {}
        local function show(v)
          print(tostring(v))
          if type(v) ~= 'table' or seen[v] then return end
          seen[v] = true
          for k, w in next, v do show(k) show(w) end
        end
        show(_G) show(getmetatable('')) print(os.date(), 'the end')";
    let js = "const seen = new Set();
        const show = v => {
          try { print(typeof v === 'symbol' ? v.toString() : `${v}`) } catch {}
          if (v === null || (typeof v !== 'object' && typeof v !== 'function') || seen.has(v)) return;
          seen.add(v);
          for (const k of Reflect.ownKeys(v)) { show(k); try { show(v[k]) } catch {} }
          show(Object.getPrototypeOf(v));
        };
        show(globalThis); show(import.meta); print('the end');";
    for (name, text) in [("all.lua", lua), ("all.js", js)] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let (out, err) = run(&file);
        let all = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        assert!(all.contains("the end"), "{name}: {all}");
        assert!(!all.contains(SECRET), "{name}");
    }
}
