//! Loops that only compute: in a context with every limit set and the watchdog at work, and the same
//! code in the bare interpreter. BASIC, whose interpreter is calog's own, is beside Lua: bare mlua doing
//! the same.
//!
//! A loop of JavaScript that makes and drops objects may differ by a fifth, either way: QuickJS
//! gives a block of 4 KiB back as soon as nothing is in it, so where one size of object has just
//! filled its blocks, each turn makes a block and drops it. Which side that hits is chance.

use super::{
    Side,
    ours::{Ours, Place},
};
use calog::{Context, Limits};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

/// A loop: its name, its turns in one round (some ten milliseconds, so that slices end in it), its
/// code.
type Loop = (&'static str, u64, &'static str);

const LUA: &[Loop] = &[
    ("integers", 2_000_000, "local s = 0 for i = 1, n do s = s + i % 7 * 3 end return s"),
    ("floats", 2_000_000, "local s = 0.5 for i = 1, n do s = s * 0.99 + i / 3 end return s"),
    ("branches", 2_000_000, "local i, s = 0, 0 while i < n do if i % 3 == 0 then s = s + 1 end i = i + 1 end return s"),
    ("table writes", 1_000_000, "local t = {} for i = 1, n do t[i & 1023] = i end return t[1]"),
    ("new tables", 100_000, "local t for i = 1, n do t = { i, i, name = i } end return t.name"),
    ("strings", 100_000, "local t = {} for i = 1, n do t[i & 255] = 'item ' .. i end return #table.concat(t)"),
    ("recursion", 500_000, "local function fib(k) if k < 2 then return k end return fib(k - 1) + fib(k - 2) end
        for _ = 1, n // 3000 do fib(16) end return n"),
    ("closures", 500_000, "local s = 0 for i = 1, n do local f = function(x) return x + i end s = f(s) & 255 end return s"),
    ("methods", 1_000_000, "local class = {} class.__index = class function class:add(x) self.sum = self.sum + x end
        local object = setmetatable({ sum = 0 }, class) for i = 1, n do object:add(i) end return object.sum"),
    ("library", 500_000, "local s = 0 for i = 1, n do s = s + math.floor(i / 2) + select('#', i, s) end return s"),
];

const JS: &[Loop] = &[
    (
        "integers",
        1_000_000,
        "let s = 0; for (let i = 1; i <= n; i++) s = (s + i % 7 * 3) | 0; return s",
    ),
    (
        "floats",
        1_000_000,
        "let s = 0.5; for (let i = 1; i <= n; i++) s = s * 0.99 + i / 3; return s",
    ),
    (
        "branches",
        1_000_000,
        "let i = 0, s = 0; while (i < n) { if (i % 3 === 0) s++; i++ } return s",
    ),
    (
        "array writes",
        1_000_000,
        "const t = new Array(1024).fill(0); for (let i = 1; i <= n; i++) t[i & 1023] = i; return t[1]",
    ),
    (
        "new objects",
        100_000,
        "let t; for (let i = 1; i <= n; i++) t = { a: i, b: [i, i] }; return t.a",
    ),
    (
        "strings",
        100_000,
        "const t = []; for (let i = 1; i <= n; i++) t[i & 255] = `item ${i}`; return t.join('').length",
    ),
    (
        "recursion",
        300_000,
        "const fib = k => k < 2 ? k : fib(k - 1) + fib(k - 2);
        for (let i = 0; i < n / 3000; i++) fib(16); return n",
    ),
    (
        "closures",
        300_000,
        "let s = 0; for (let i = 1; i <= n; i++) { const f = x => x + i; s = f(s) & 255 } return s",
    ),
    (
        "methods",
        500_000,
        "class Sum { sum = 0; add(x) { this.sum += x } } const object = new Sum();
        for (let i = 1; i <= n; i++) object.add(i); return object.sum",
    ),
    (
        "library",
        300_000,
        "let s = 0; for (let i = 1; i <= n; i++) s += Math.floor(i / 2); return s",
    ),
];

/// BASIC, and what Lua does beside it. Most of the code is in a routine, as in any longer program; the
/// variables of `globals` are global ones, as all of the main program are.
const BASIC: &[(&str, u64, &str, &str)] = &[
    (
        "integers",
        1_000_000,
        "def integers(n)\n s = 0\n for i = 1 to n\n s = s + (i mod 7) * 3\n next\n return s\nenddef",
        "local s = 0 for i = 1, n do s = s + i % 7 * 3 end return s",
    ),
    (
        "floats",
        1_000_000,
        "def floats(n)\n s = 0.5\n for i = 1 to n\n s = s * 0.99 + i / 3\n next\n return s\nenddef",
        "local s = 0.5 for i = 1, n do s = s * 0.99 + i / 3 end return s",
    ),
    (
        "branches",
        1_000_000,
        "def branches(n)\n i = 0\n s = 0\n while i < n\n if i mod 3 = 0 then s = s + 1\n i = i + 1\n wend
        return s\nenddef",
        "local i, s = 0, 0 while i < n do if i % 3 == 0 then s = s + 1 end i = i + 1 end return s",
    ),
    (
        "globals",
        1_000_000,
        "rounds = 0\ntotal = 0\nturn = 0\ndef globals(n)\n rounds = n\n total = 0
        for turn = 1 to rounds\n total = total + turn * 2\n next\n return total\nenddef",
        "rounds = n total = 0 for i = 1, rounds do turn = i total = total + turn * 2 end return total",
    ),
    (
        "fib 27",
        832_039,
        "def fib(k)\n if k < 2 then return k\n return fib(k - 1) + fib(k - 2)\nenddef
        def fib_27(n)\n return fib(27)\nenddef",
        "local function fib(k) if k < 2 then return k end return fib(k - 1) + fib(k - 2) end return fib(27)",
    ),
    (
        "sieve",
        1_000_000,
        "def sieve(n)\n size = n + 1\n dim a(size)\n count = 0\n for i = 2 to n\n if a(i) = 0 then\n count = count + 1
        for k = i * i to n step i\n a(k) = 1\n next\n endif\n next\n return count\nenddef",
        "local a = {} for i = 0, n do a[i] = 0 end local count = 0
        for i = 2, n do if a[i] == 0 then count = count + 1 for k = i * i, n, i do a[k] = 1 end end end return count",
    ),
    (
        "text building",
        100_000,
        "def text_building(n)\n s = \"\"\n for i = 1 to n\n s = s + \"item \" + str(i)\n next\n return len(s)\nenddef",
        "local t = {} for i = 1, n do t[i] = 'item ' .. i end return #table.concat(t)",
    ),
    (
        "word count",
        500_000,
        "def word_count(n)\n words = list()\n for i = 1 to 1000\n push(words, \"word \" + str(i * i mod 331))\n next
        d = dict()\n for i = 1 to n / 1000\n for w in words\n if exists(d, w) then\n d(w) = d(w) + 1\n else
        d(w) = 1\n endif\n next\n next\n return len(d)\nenddef",
        "local words = {} for i = 1, 1000 do words[i] = 'word ' .. i * i % 331 end
        local d, count = {}, 0 for i = 1, n // 1000 do for _, w in ipairs(words) do
        if d[w] ~= nil then d[w] = d[w] + 1 else d[w] = 1 count = count + 1 end end end return count",
    ),
    (
        "list writes",
        1_000_000,
        "def list_writes(n)\n t = list(0 to 1023)\n for i = 1 to n\n t(i mod 1024) = i\n next\n return t(1)\nenddef",
        "local t = {} for i = 0, 1023 do t[i] = i end for i = 1, n do t[i % 1024] = i end return t[1]",
    ),
    (
        "lambdas",
        300_000,
        "def lambdas(n)\n s = 0\n for i = 1 to n\n f = lambda (x) (return x + i)\n s = f(s) mod 256\n next\n return s\nenddef",
        "local s = 0 for i = 1, n do local f = function(x) return x + i end s = f(s) % 256 end return s",
    ),
    (
        "methods",
        500_000,
        "class sum_class\n var sum = 0\n def add(x)\n sum = sum + x\n enddef\nendclass
        def methods(n)\n object = new(sum_class)\n for i = 1 to n\n object.add(i)\n next\n return object.sum\nenddef",
        "local class = {} class.__index = class function class:add(x) self.sum = self.sum + x end
        local object = setmetatable({ sum = 0 }, class) for i = 1, n do object:add(i) end return object.sum",
    ),
    (
        "new lists",
        100_000,
        "def new_lists(n)\n for i = 1 to n\n t = list(i, i, i)\n next\n return t(2)\nenddef",
        "local t for i = 1, n do t = { i, i, i } end return t[2]",
    ),
];

/// A loop on both sides.
pub struct Compared {
    pub name: &'static str,
    /// Of one run.
    pub turns: u64,
    pub limited: Side,
    pub bare: Side,
}

/// A language: what a ratio may be, and its loops, which are opened when they are asked for.
pub type Language = (&'static str, f64, fn() -> Vec<Compared>);

pub const LANGUAGES: [Language; 3] =
    [("Lua", 1.05, lua_loops), ("JavaScript", 1.05, js_loops), ("BASIC", 4.0, basic_loops)];

/// What computes a loop of so many turns once.
type Run = Rc<dyn Fn() -> f64>;

/// A run of the side is one of the whole loop, whose result must be that of the bare interpreter.
fn side(run: Run, expected: f64) -> Side {
    let once = move || {
        let start = Instant::now();
        assert_eq!(run(), expected);
        start.elapsed()
    };
    let again = once.clone();
    Side {
        run: Box::new(move |n| (0..n).map(|_| once()).sum()),
        latencies: Box::new(move |n| (0..n).map(|_| again().as_nanos() as u32).collect()),
    }
}

/// A context on a worker of its own with every limit set, none of which is met.
fn context(engine: &str) -> (Rc<Ours>, Context) {
    let limits = Limits::default().memory_bytes(256 << 20).deadline(Duration::from_secs(600));
    let ours = Ours::with(Place::Workers(1), |builder| builder.limits(limits));
    let context = ours.open(engine, 0, "");
    (ours, context)
}

/// The loop that `text` exports, as calls of the context.
fn limited(ours: &Rc<Ours>, context: &Context, name: &str, turns: u64, text: &str) -> Run {
    ours.block_on(context.eval::<()>(text)).unwrap();
    let (ours, context, name) = (ours.clone(), context.clone(), export(name));
    Rc::new(move || ours.block_on(context.call(&name, (turns,))).unwrap())
}

/// The name of a loop as one that scripts can write.
fn export(name: &str) -> String {
    name.replace(' ', "_")
}

/// The loop in a state of bare mlua.
fn bare_lua(lua: &mlua::Lua, turns: u64, code: &str) -> Run {
    let function: mlua::Function =
        lua.load(format!("return function(n) {code} end")).eval().unwrap();
    let lua = lua.clone();
    Rc::new(move || {
        let _lua = &lua;
        function.call(turns).unwrap()
    })
}

/// Both sides of a loop.
fn compared(name: &'static str, turns: u64, limited: Run, bare: Run) -> Compared {
    let expected = bare();
    Compared { name, turns, limited: side(limited, expected), bare: side(bare, expected) }
}

fn lua_loops() -> Vec<Compared> {
    let ((ours, context), bare) = (context("lua"), mlua::Lua::new());
    let both = |&(name, turns, code): &Loop| {
        let text = format!("expose('{}', function(n) {code} end)", export(name));
        let limited = limited(&ours, &context, name, turns, &text);
        compared(name, turns, limited, bare_lua(&bare, turns, code))
    };
    LUA.iter().map(both).collect()
}

fn js_loops() -> Vec<Compared> {
    let (ours, context) = context("js");
    let bare = super::bare::js();
    let both = |&(name, turns, code): &Loop| {
        let function = format!("(function(n) {{ 'use strict'; {code} }})");
        let text = format!("expose('{}', {function}); undefined", export(name));
        let bare = bare.clone();
        bare.with(|ctx| {
            let function: rquickjs::Function<'_> = ctx.eval(function).unwrap();
            ctx.globals().set(name, function).unwrap();
        });
        let run = Rc::new(move || {
            bare.with(|ctx| {
                let function: rquickjs::Function<'_> = ctx.globals().get(name).unwrap();
                function.call((turns as f64,)).unwrap()
            })
        });
        compared(name, turns, limited(&ours, &context, name, turns, &text), run)
    };
    JS.iter().map(both).collect()
}

fn basic_loops() -> Vec<Compared> {
    let ((ours, context), bare) = (context("basic"), mlua::Lua::new());
    let both = |&(name, turns, code, lua): &(&'static str, u64, &str, &str)| {
        let text = format!("{code}\nexpose(\"{0}\", {0})", export(name));
        let limited = limited(&ours, &context, name, turns, &text);
        compared(name, turns, limited, bare_lua(&bare, turns, lua))
    };
    BASIC.iter().map(both).collect()
}
