//! Runaways in Lua.

use super::{MEMORY, Runaway, TOO_MUCH};
use calog::ErrorKind::{Load, Raised, Timeout};

pub(crate) const RUNAWAYS: &[Runaway] = &[
    Runaway::new("loop", "while true do end"),
    Runaway::new("goto", "::again:: goto again"),
    Runaway::new("for", "for i = 1, math.huge do end"),
    Runaway::new("iterator", "for _ in function() return 1 end do end"),
    Runaway::new("pcall", "while true do pcall(function() while true do end end) end"),
    Runaway::new("pcall error", "while true do pcall(error, {}) end"),
    Runaway::new("pcall pcall", "while true do pcall(pcall, pcall, error) end"),
    Runaway::new(
        "xpcall handler",
        "while true do xpcall(error, function() while true do end end) end",
    ),
    Runaway::new("xpcall itself", "local function f() xpcall(f, f) end while true do f() end"),
    Runaway::new(
        "close",
        "local x <close> = setmetatable({}, {__close = function() while true do end end})
         while true do end",
    ),
    Runaway::new(
        "close again",
        "while true do pcall(function()
           local x <close> = setmetatable({}, {__close = function() while true do end end})
           error('x') end) end",
    ),
    Runaway::new(
        "coroutine",
        "while true do coroutine.wrap(function() while true do end end)() end",
    ),
    Runaway::new(
        "coroutine yields",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end)
         while true do co() end",
    ),
    Runaway::new(
        "coroutine in itself",
        "local function f() return coroutine.wrap(f)() end while true do pcall(f) end",
    ),
    Runaway::new(
        "coroutine catches",
        "while true do pcall(coroutine.wrap(function() while true do pcall(error) end end)) end",
    ),
    Runaway::new(
        "coroutines",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    )
    .or(MEMORY),
    Runaway::new("sort comparator", "table.sort({3, 1, 2}, function() while true do end end)"),
    Runaway::new(
        "sort comparator long",
        "local t = {} for i = 1, 1e6 do t[i] = i * 7919 % 1000003 end
         while true do table.sort(t, function(a, b) return a > b end) end",
    ),
    Runaway::new(
        "sort comparator in C",
        "local t = {} for i = 1, 1e6 do t[i] = i * 7919 % 1000003 end
         while true do table.sort(t, math.ult) end",
    )
    ,
    Runaway::new(
        "sort",
        "local t = {} for i = 1, 2e6 do t[i] = i * 7919 % 1000003 end
         while true do table.sort(t) end",
    )
    ,
    Runaway::new(
        "index",
        "return setmetatable({}, {__index = function() while true do end end}).x",
    ),
    Runaway::new(
        "index chain",
        "local t = {} for i = 1, 1900 do t = setmetatable({}, {__index = t}) end
         while true do local x = t.x end",
    ),
    Runaway::new(
        "index ring",
        "local t = {} setmetatable(t, {__index = t}) while true do pcall(next, t.x) end",
    )
    .or(&[Timeout, Raised]),
    Runaway::new(
        "newindex",
        "setmetatable({}, {__newindex = function() while true do end end}).x = 1",
    ),
    Runaway::new(
        "arithmetic",
        "return setmetatable({}, {__add = function() while true do end end}) + 1",
    ),
    Runaway::new(
        "concat",
        "return setmetatable({}, {__concat = function() while true do end end}) .. 1",
    ),
    Runaway::new(
        "compare",
        "local m = {__lt = function() while true do end end} return setmetatable({}, m) < setmetatable({}, m)",
    ),
    Runaway::new("length", "return #setmetatable({}, {__len = function() while true do end end})"),
    Runaway::new(
        "tostring",
        "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    ),
    Runaway::new(
        "pairs",
        "for _ in pairs(setmetatable({}, {__pairs = function() while true do end end})) do end",
    ),
    Runaway::new("call", "return setmetatable({}, {__call = function() while true do end end})()"),
    Runaway::new(
        "string metatable",
        "getmetatable('').__index = function() while true do end end return ('x').y",
    ),
    Runaway::new("pattern", "return ('a'):rep(26):find(('a?'):rep(26) .. ('a'):rep(26))"),
    Runaway::new("pattern lazy", "return ('a'):rep(2e3):find('.-.-b')"),
    Runaway::new("pattern greedy", "return ('a'):rep(400):match('.*.*.*b')"),
    Runaway::new("gmatch", "for _ in ('a'):rep(3e4):gmatch('.-b') do end"),
    Runaway::new("gsub", "return ('a'):rep(3e4):gsub('a*b', '')"),
    Runaway::new("gsub callback", "return ('a'):gsub('a', function() while true do end end)"),
    Runaway::new("gsub long", "local s = ('a'):rep(1e7) while true do s:gsub('a', 'b') end")
        .or(MEMORY)
        ,
    Runaway::new(
        "pattern loop",
        "while true do pcall(string.find, ('a'):rep(25), ('a?'):rep(25) .. ('a'):rep(25)) end",
    )
    ,
    Runaway::new("plain find", "return ('a'):rep(4e5):find(('a'):rep(2e5) .. 'b', 1, true)")
        ,
    Runaway::new("string doubling", "local s = 'x' while true do s = s .. s end").or(MEMORY),
    Runaway::new(
        "string doubling again",
        "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end",
    ).holds(),
    Runaway::new("rep", "return ('x'):rep(1 << 40)").or(TOO_MUCH),
    Runaway::new("rep again", "while true do pcall(string.rep, 'x', 1 << 40) end"),
    Runaway::new("rep large", "while true do pcall(string.rep, 'x', 3e7) end"),
    Runaway::new("rep separator", "while true do pcall(string.rep, '', 1e7, 'ab') end"),
    Runaway::new("rep empty", "while true do pcall(string.rep, '', 1 << 31) end"),
    Runaway::new("reverse", "local s = ('x'):rep(2e7) while true do s:reverse() end"),
    Runaway::new(
        "compare text",
        "local s = ('x'):rep(2e7) local a, b = s .. 'a', s .. 'b' while true do local x = a < b end",
    ),
    Runaway::new(
        "format",
        "local s = ('x'):rep(1e7) while true do string.format('%s%q', s, s) end",
    )
    .or(MEMORY).holds(),
    Runaway::new(
        "concat table",
        "local t = {} for i = 1, 1e6 do t[i] = 'xxxxxxxx' end while true do table.concat(t) end",
    ),
    Runaway::new("unpack", "return table.unpack({}, 1, 1e9)").or(TOO_MUCH),
    Runaway::new("unpack again", "while true do pcall(table.unpack, {}, 1, 9e5) end"),
    Runaway::new(
        "arguments",
        "local t = {} for i = 1, 2e5 do t[i] = i end while true do select('#', table.unpack(t)) end",
    ),
    Runaway::new(
        "arguments grow",
        "local function r(...) return r(1, ...) end while true do pcall(r) end",
    ),
    Runaway::new(
        "insert",
        "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.insert(t, 1, 0) end",
    ),
    Runaway::new(
        "move",
        "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.move(t, 1, 1e6, 2) end",
    ),
    Runaway::new("move nothing", "while true do table.move({}, 1, 1 << 24, 2) end"),
    Runaway::new(
        "next",
        "local t = {} for i = 1, 2e6 do t[i] = i end for i = 1, 2e6 do t[i] = nil end while true do next(t) end",
    ),
    Runaway::new("recursion", "local function r() return 1 + r() end return r()").or(TOO_MUCH),
    Runaway::new(
        "recursion again",
        "local function r() return 1 + r() end while true do pcall(r) end",
    ).holds(),
    Runaway::new(
        "recursion in C",
        "local function r() return ('x'):gsub('x', r) end while true do pcall(r) end",
    ),
    Runaway::new(
        "recursion of catches",
        "local function r() return pcall(r) end while true do r() end",
    ),
    Runaway::new("tail calls", "local function r() return r() end return r()"),
    Runaway::new("deep nesting", "return load('return ' .. ('{'):rep(1e6))()")
        .or(&[Timeout, Raised, Load]),
    Runaway::new(
        "deep nesting again",
        "local s = ('('):rep(1e5) while true do load('return ' .. s) end",
    ),
    Runaway::new("deep value", "local t = {} while true do t = {t} end").or(MEMORY).holds(),
    Runaway::new("large chunk", "local s = ('x = 1 '):rep(4e6) while true do load(s) end")
        .or(MEMORY)
        ,
    Runaway::new("chunks", "while true do load('return ' .. math.random(1e9)) end").holds(),
    Runaway::new("closures", "local t = {} while true do t[#t + 1] = function() return t end end")
        .or(MEMORY).holds(),
    Runaway::new(
        "closures again",
        "while true do pcall(function() local t = {} while true do t[#t + 1] = function() return t end end end) end",
    ).holds(),
    Runaway::new("tables", "local t = {} while true do t[#t + 1] = {} end").or(MEMORY),
    Runaway::new("garbage", "while true do local t = {{}, {}} end"),
    Runaway::new("large table", "local t = {} while true do t[#t + 1] = 1 end").or(MEMORY),
    Runaway::new(
        "large hash",
        "local t = {} local i = 0 while true do i = i + 1 t['k' .. i] = i end",
    )
    .or(MEMORY).holds(),
    Runaway::new("exports", "while true do expose('again', function() end) end"),
    Runaway::new("exports anew", "local i = 0 while true do i = i + 1 expose('new' .. i, i) end")
        .or(MEMORY),
    Runaway::new("log flood", "while true do print('x') end"),
    Runaway::new("log flood large", "local s = ('x'):rep(1e6) while true do print(s) end"),
    Runaway::new("natives", "while true do one() end"),
    Runaway::new("waits", "while true do pcall(later, 1) end"),
    Runaway::new("pauses", "while true do pcall(pause, 0) end"),
    Runaway::new("large values", "local s = ('x'):rep(2e7) while true do later(s) end"),
    Runaway::new("nobody", "while true do pcall(call, 'nobody') end"),
    Runaway::new(
        "calls itself",
        "while true do pcall(call, 'runaway.relays', 1, 1, 'runaway.plus') end",
    ),
    Runaway::new("neighbour", "while true do pcall(call, 'n0.spins', 1) end"),
    Runaway::new("many errors", "while true do pcall(error, ('x'):rep(1e5)) end"),
];
