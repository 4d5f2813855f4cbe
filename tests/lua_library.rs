//! The functions of the library that calog has of its own, against those of stock Lua.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use bytes::Bytes;
use calog::{Limits, Value};
use lua_support::*;
use mlua::IntoLuaMulti;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{fmt::Debug, time::Duration};

/// Cases that are made up per test.
const CASES: usize = 2000;

/// A slice so short that the functions are preempted in their midst.
const SLICE: Duration = Duration::from_micros(300);

const PATTERNS: &[&str] = &[
    // Usual ones.
    "return ('hello world'):find('wor'), ('hello world'):find('o', 6), ('hello'):find('')",
    "return ('key = value'):match('^(%w+)%s*=%s*(%w+)$')",
    "return ('2024-05-06'):match('(%d+)-(%d+)-(%d+)')",
    "local t = {} for k, v in ('a=1, b=2, c=3'):gmatch('(%w+)=(%w+)') do t[#t + 1] = k .. v end
     return table.concat(t, ' ')",
    "return ('hello world from lua'):gsub('(%w+)', '<%1>')",
    "return ('hello'):gsub('', '-'), ('hello'):gsub('l', {l = 'L'}), ('hello'):gsub('.', {h = 1, e = 2.5})",
    "return ('abc'):gsub('%w', '%0%0'), ('abc'):gsub('%w', '%%'), ('hello'):gsub('l+', string.upper)",
    "return ('abc'):gsub('(a)(b)(c)', '%3%2%1'), ('abc'):gsub('()', '%1')",
    "return ('THE (quick) fox'):find('%((%a+)%)'), ('f(a(b)c)d'):match('%b()')",
    "return ('THE (quick) fox'):gsub('%f[%a]%a+', string.lower)",
    "return ('[[x]]'):match('%[%[(.-)%]%]'), ('x]y'):match('[]]'), ('x^y'):match('[%^x]+')",
    "return ('a.b'):find('.', 1, true), ('a%b'):find('%', 1, true), ('abc'):find('b', -1, true)",
    // Where it begins.
    "return ('abc'):find('b', -10), ('abc'):find('b', 10), ('abc'):find('', 4), ('abc'):find('', 5)",
    "return ('abc'):find('b', math.mininteger), ('abc'):find('b', math.maxinteger), ('abc'):find('b', 0)",
    "local t = {} for w in ('one two three'):gmatch('%a+', 5) do t[#t + 1] = w end return table.concat(t, ' ')",
    "local t = {} for w in ('one two three'):gmatch('%a+', -5) do t[#t + 1] = w end return table.concat(t, ' ')",
    "return ('abc'):gmatch('.', 9)(), ('abc'):gmatch('', 4)(), ('abc'):gmatch('^a')()",
    "return ('aaa'):gsub('^a', 'b'), ('aaa'):gsub('a', 'b', 2), ('aaa'):gsub('a', 'b', 0), ('aaa'):gsub('a', 'b', -1)",
    "return ('abc'):find('^b', 2), ('abc'):match('^b', 2), ('abc'):match('c$'), ('a$c'):match('a$c')",
    // Captures of positions, of nothing, and once more.
    "return ('abc'):match('()b()'), ('abc'):find('()'), ('aa bb'):match('(%w)%1 (%w)%2')",
    "return (' x'):match('^%s*$'), (''):match('.-'), ('\\0a\\0'):find('%z'), ('\\0a\\0'):find('\\0', 2)",
    "return ('x'):rep(40):match(('(x)'):rep(32))",
    // Numbers are texts too.
    "return string.find(1234, 23), string.match(1234, '%d', 2), string.gsub(1234, 2, 9)",
    "return string.gsub('abc', 'b', 1.5), string.gsub('abc', 'b', function() return 7 end)",
    // What callbacks return.
    "return ('abc'):gsub('.', function() end), ('abc'):gsub('.', function() return false end)",
    "return ('abc'):gsub('.', {}), ('abc'):gsub('.', setmetatable({}, {__index = function(_, k) return k .. k end}))",
    "return pcall(string.gsub, 'abc', '.', function() return {} end)",
    "return pcall(string.gsub, 'abc', '.', function() return true end)",
    "return pcall(string.gsub, 'abc', '.', {a = print})",
    "return pcall(string.gsub, 'abc', '.', function(c) error(c) end)",
    "return pcall(string.gsub, 'abc', '.', function(c) error({}) end)",
    "local n = 0 return ('abc'):gsub('.', function(c) n = n + 1 return n, 'ignored' end)",
    "return ('abc'):gsub('%w', function(...) return select('#', ...) end)",
    "return coroutine.wrap(function() return (('abc'):gsub('b', function(c)
       return pcall(coroutine.yield, c) and 'yes' or 'no' end)) end)()",
    // Broken patterns.
    "return pcall(string.find, 'a', '%')",
    "return pcall(string.find, 'a', '[')",
    "return pcall(string.find, 'a', '[a')",
    "return pcall(string.find, 'a', '[]')",
    "return pcall(string.find, 'a', '[^]')",
    "return pcall(string.find, 'a', '[a%]')",
    "return pcall(string.find, 'a', '[a%')",
    "return pcall(string.find, 'a', '(')",
    "return pcall(string.find, 'a', '(()')",
    "return pcall(string.find, 'a', ')')",
    "return pcall(string.find, 'a', '%b')",
    "return pcall(string.find, 'a', '%bx')",
    "return pcall(string.find, 'a', '%f')",
    "return pcall(string.find, 'a', '%fa')",
    "return pcall(string.find, 'a', '%1')",
    "return pcall(string.find, 'a', '%0')",
    "return pcall(string.find, 'a', '(%1)')",
    "return pcall(string.match, 'a', ('()'):rep(33))",
    "return pcall(string.gsub, 'a', 'a', '%2')",
    "return pcall(string.gsub, 'a', '(a)', '%1%2')",
    "return pcall(string.gsub, 'a', 'a', '%')",
    "return pcall(string.gsub, 'a', 'a', '%x')",
    "return pcall(string.rep, 'x', -1)",
    "return pcall(string.find, ('x'):rep(300), ('x?'):rep(199)), pcall(string.find, ('x'):rep(300), ('x?'):rep(200))",
    "return pcall(string.find, ('x'):rep(300), ('x?'):rep(201))",
    // Wrong arguments.
    "return pcall(string.find)",
    "return pcall(string.find, 'a')",
    "return pcall(string.find, {}, 'a')",
    "return pcall(string.match, 'a', 'a', {})",
    "return pcall(string.match, 'a', 'a', 1.5)",
    "return pcall(string.gmatch, 'a')",
    "return pcall(string.gmatch, 'a', 'b', 'c')",
    "return pcall(string.gsub, 'a', 'b')",
    "return pcall(string.gsub, 'a', 'b', true)",
    "return pcall(string.gsub, 'a', 'b', 'c', 'd')",
    "return pcall(function() return ('x'):find() end)",
    "return pcall(function() return ('x'):gsub('x') end)",
    "return pcall(function() return ('x'):find('[') end)",
    "local f = string.find return pcall(function() f('x', {}) end)",
];

/// `P` logs what is done to a table that it stands for; `S` shows a table.
const PROXY: &str = "local L = ''
    local function S(t) local o = {} for i = -2, 12 do o[#o + 1] = tostring(t[i]) end return table.concat(o, ' ') end
    local function P(t) return setmetatable({}, {
      __index = function(_, k) L = L .. 'get' .. tostring(k) .. ' ' return t[k] end,
      __newindex = function(_, k, v) L = L .. 'set' .. tostring(k) .. '=' .. tostring(v) .. ' ' t[k] = v end,
      __len = function() L = L .. 'len ' return #t end}) end\n";

const OTHERS: &[&str] = &[
    "return ('ab'):rep(3), ('ab'):rep(3, '-'), ('ab'):rep(1, '-'), ('ab'):rep(0), ('ab'):rep(-1), (''):rep(5, ',')",
    "return (''):rep(9), ('x'):rep(3, ''), string.rep(12, 2, 3), ('x'):rep('3'), ('a\\0'):rep(2, '\\0')",
    "local s = ('abc'):rep(1 << 19, '-') return #s, s:sub(-9), s == ('abc-'):rep((1 << 19) - 1) .. 'abc'",
    "local s = ('0123456789'):rep(1 << 18) return #s, s:sub(-12), s:find('09'), select(2, s:gsub('0123456789', ''))",
    "local n, x = (1 << 17) - 3, 'needle' local s = ('n'):rep(n) .. x .. ('e'):rep(1 << 18) .. x
     return s:find(x, 1, true), s:find(x, n + 2, true), s:find('needles', 1, true), s:find(('e'):rep(1 << 18) .. x)",
    "local s = ('ab'):rep(1 << 17) return s:find(('ba'):rep((1 << 17) - 1), 1, true), s:find(('ab'):rep(1 << 17) .. 'a'),
       s:find(('ab'):rep(1 << 16) .. 'b', 1, true), s:find(s, 1, true), s:find(s, 2, true)",
    "return ('Az{\\xe4\\0'):upper(), ('Az{\\xc4\\0'):lower(), ('abc\\0'):reverse(), (''):upper(), (''):reverse(), string.lower(12)",
    "local s = ('abC'):rep(1 << 20) return s:upper() == ('ABC'):rep(1 << 20), s:lower() == ('abc'):rep(1 << 20),
       s:reverse() == ('Cba'):rep(1 << 20)",
    "return pcall(string.upper), pcall(string.lower, {}), pcall(string.reverse, nil)",
    "return os.date('!%Y-%m-%d', 0), pcall(os.date, '%Ez', 0), ('<i4'):pack(7), string.packsize('i4i8'), ('<i2'):unpack('\\1\\0')",
    "return pcall(string.rep, 'x', 1 << 31)",
    "return pcall(string.rep, 'x', 1 << 62, 'y')",
    "return pcall(string.rep, 'x', math.maxinteger)",
    "return pcall(string.rep, 'x')",
    "return pcall(string.rep, nil, 3)",
    "return pcall(string.rep, 'x', 1.5)",
    "return pcall(string.rep, 'x', 3, {})",
    "return load('return 1 + 1')(), load('return ...', 'name')(7), load(function() return nil end)",
    "return load('x =', '=here'), load('return x', 'c', 't', {x = 5})(), load('x', '@file')",
    "return load('return x', 'c', 't', nil), pcall(load('return x', '=c', 't', nil))",
    "return load('return ' .. ('1 + '):rep(2000) .. '1')(), #load('return [[' .. ('x'):rep(5000) .. ']]')()",
    "return load(('local a = 1 '):rep(300)), load(('x = 1 '):rep(300) .. 'y = = 2', '=t')",
    "return load(12), load('return 12', 34), pcall(load, {}), pcall(load, 'x', {}), pcall(load, 'x', 'y', {}), load(print, 'x', 't')",
    "return load('goto a ::a:: return debug', '=t'), load('--' .. ('x'):rep(1000)), load('')()",
];

const TABLES: &[&str] = &[
    // Usual ones.
    "local t = {1, 2, 3} table.insert(t, 4) table.insert(t, 1, 0) table.insert(t, 6, 5) return S(t)",
    "local t = {1, 2, 3} return table.remove(t), table.remove(t, 1), S(t), table.remove({}), table.remove({}, 0)",
    "local t = {1, 2, 3} return table.remove(t, 4), table.remove({}, 1), S(t), #t",
    "local t = {[0] = 'a'} return table.remove(t, 0), S(t)",
    "return table.concat({1, 'two', 3.5}), table.concat({1, 2, 3}, ', '), table.concat({}, 'x'), table.concat({1, 2, 3}, '-', 2)",
    "return table.concat({1, 2, 3}, '-', 2, 2), table.concat({1, 2, 3}, '-', 3, 2), table.concat({'a'}, 7, 1, 1)",
    "return table.concat({[math.maxinteger] = 'x', [math.maxinteger - 1] = 'y'}, '-', math.maxinteger - 1, math.maxinteger)",
    "return table.unpack({1, 2, 3}), table.unpack({1, 2}, 2), table.unpack({}, 1, 3), select('#', table.unpack({}, 1, 0))",
    "return table.unpack({1, 2, 3}, -1, 1), table.unpack({[math.maxinteger] = 'x'}, math.maxinteger, math.maxinteger)",
    "return S(table.move({1, 2, 3}, 1, 3, 2)), S(table.move({1, 2, 3}, 2, 3, 1)), S(table.move({1, 2, 3}, 1, 3, 1, {9, 9, 9, 9}))",
    "return S(table.move({1, 2, 3}, 1, 0, 5)), S(table.move({1, 2, 3}, -1, 1, 3)), S(table.move({1, 2}, 1, 2, 3, nil))",
    "local t = {3, 1, 2} table.sort(t) local u = {'b', 'a', 'C'} table.sort(u) return S(t), S(u)",
    "local t = {3, 1, 2, 5, 4} table.sort(t, function(a, b) return a > b end) return S(t)",
    "local t = {1} table.sort(t) local u = {} table.sort(u) local v = {2, 1} table.sort(v, nil) return S(t), S(u), S(v)",
    "local t = {} for i = 1, 5000 do t[i] = i * 7919 % 5003 end table.sort(t)
     for i = 2, #t do if t[i - 1] > t[i] then return 'wrong' end end return #t, t[1], t[5000]",
    "local t = {} for i = 1, 5000 do t[i] = i % 3 end table.sort(t) return t[1], t[2500], t[5000]",
    // What metamethods see.
    "local t = {1, 2, 3} table.insert(P(t), 2, 'x') return L, S(t)",
    "local t = {1, 2, 3} table.insert(P(t), 'x') return L, S(t)",
    "local t = {1, 2, 3} local r = table.remove(P(t), 1) return r, L, S(t)",
    "local t = {1, 2, 3} local r = table.remove(P(t)) return r, L, S(t)",
    "local t = {1, 2, 3} local r = table.concat(P(t), '-') return r, L",
    "local t = {1, 2, 3} local a, b = table.unpack(P(t)) return a, b, L",
    "local t = {1, 2, 3} table.move(P(t), 1, 3, 2) return L, S(t)",
    "local t, u = {1, 2, 3}, {} table.move(P(t), 1, 3, 2, P(u)) return L, S(u)",
    "local t = {3, 1, 2, 5, 4} table.sort(P(t)) return L, S(t)",
    "local n = 0 local m = {__lt = function(a, b) n = n + 1 return a.v < b.v end} local t = {}
     for i = 1, 9 do t[i] = setmetatable({v = i * 5 % 9}, m) end table.sort(t)
     local o = {} for i = 1, 9 do o[i] = t[i].v end return n, S(o)",
    "local t = {1, 2, 3, 4} local eq = {__eq = function() return true end}
     local a, b = setmetatable(t, eq), setmetatable({}, eq) table.move(a, 1, 3, 2, b) return S(b)",
    "return pcall(table.concat, setmetatable({}, {__len = function() return 'x' end}))",
    "return pcall(table.unpack, setmetatable({}, {__len = function() return 2.0 end}))",
    "return table.unpack(setmetatable({}, {__index = function(_, k) return k * 2 end}), 5, 8)",
    "local m = getmetatable('') m.__index = function(s, k) return type(k) == 'number' and k or string[k] end
     m.__len = function() return 3 end local r = table.concat('abc', '-') m.__index, m.__len = string, nil return r",
    "return table.unpack('abc', 1, 2), pcall(table.concat, 'abc'), pcall(table.insert, 'abc', 1)",
    // What may be in the way.
    "return pcall(table.insert, {1, 2}, 0, 'x')",
    "return pcall(table.insert, {1, 2}, 4, 'x')",
    "return pcall(table.insert, {1, 2}, math.mininteger, 'x')",
    "return pcall(table.insert, {1, 2})",
    "return pcall(table.insert, {1, 2}, 1, 2, 3)",
    "return pcall(table.insert, {1, 2}, 'a', 2)",
    "return pcall(table.insert, {1, 2}, 1.5, 2)",
    "return pcall(table.insert, nil, 2)",
    "return pcall(table.insert, setmetatable({}, {__len = function() return math.maxinteger end}), 'x')",
    "return pcall(table.insert, setmetatable({}, {__len = function() return -1 end}), 1, 'x')",
    "return pcall(table.insert, setmetatable({}, {__len = function() return -5 end}), 'x')",
    "return pcall(table.remove, {1, 2}, 0)",
    "return pcall(table.remove, {1, 2}, 5)",
    "return pcall(table.remove, {1, 2}, math.maxinteger)",
    "return pcall(table.remove, {}, -1)",
    "return pcall(table.remove, 7)",
    "return pcall(table.remove, setmetatable({}, {__len = function() return -1 end}), -1)",
    "return pcall(table.move, {}, 1, math.maxinteger, 2)",
    "return pcall(table.move, {}, math.mininteger, 0, 1)",
    "return pcall(table.move, {}, -1, math.maxinteger, 1)",
    "return pcall(table.move, {}, 1, 2, math.maxinteger)",
    "return pcall(table.move, {}, 1, 2)",
    "return pcall(table.move, {}, 1, 2, 3, 4)",
    "return pcall(table.move, 1, 1, 2, 3)",
    "return pcall(table.concat, {1, {}, 3})",
    "return pcall(table.concat, {1, 2, 3}, ',', 1, 5)",
    "return pcall(table.concat, {}, ',', math.mininteger, math.mininteger)",
    "return pcall(table.concat, {1}, {})",
    "return pcall(table.concat, {1}, ',', 'x')",
    "return pcall(table.concat, {true})",
    "return pcall(table.unpack, {}, 1, 1e8)",
    "return pcall(table.unpack, {}, math.mininteger, math.maxinteger)",
    "return pcall(table.unpack, {}, 0, math.maxinteger)",
    "return pcall(table.unpack)",
    "return pcall(table.unpack, nil)",
    "return pcall(table.unpack, {}, 'a')",
    "return pcall(table.sort, {1, 'x', 2})",
    "return pcall(table.sort, {{}, {}})",
    "return pcall(table.sort, {1, nil, 3})",
    "return pcall(table.sort, {2, 1}, 'x')",
    "return pcall(table.sort, {1}, 'x')",
    "return pcall(table.sort)",
    "return pcall(table.sort, setmetatable({}, {__len = function() return 1 << 31 end}))",
    "return pcall(table.sort, {1, 2, 3, 4, 5}, function() return true end)",
    "return pcall(table.sort, {5, 4, 3, 2, 1, 6, 7, 8}, function() return true end)",
    "return pcall(table.sort, {5, 4, 3, 2, 1, 6, 7, 8}, function(a, b) return a <= b end)",
    "local t = {} for i = 1, 300 do t[i] = 1 end return pcall(table.sort, t, function(a, b) return a <= b end)",
    "return pcall(table.sort, {3, 2, 1}, function() error('order') end)",
    "return pcall(function() table.insert({}, 1, 2, 3) end)",
    "return pcall(function() table.concat({{}}) end)",
    "local co = coroutine.wrap(function() table.sort({2, 1}, coroutine.yield) end) return pcall(co)",
];

/// Runs the functions of tables, and shows what came of it.
const ALL_WITH_TABLES: &str = "local function show(t) local o = {}
      for i = -1, 20 do o[#o + 1] = tostring(t[i]) end return table.concat(o, ' ') end
    return function(list, i, j, k, salt)
      local out = {}
      local function try(name, f, ...)
        local copy, other = {}, {'x', 'y'}
        for i = 1, #list do copy[i] = list[i] end
        local got = table.pack(pcall(f, copy, ...))
        for i = 1, got.n do
          got[i] = type(got[i]) == 'table' and show(got[i]) or tostring(got[i]) end
        out[#out + 1] = name .. ' ' .. table.concat(got, ',', 1, got.n) .. ': ' .. show(copy)
      end
      try('insert', table.insert, i)
      try('insert at', table.insert, i, 'new')
      try('remove', table.remove)
      try('remove at', table.remove, i)
      try('move', table.move, i, j, k)
      try('move to', table.move, i, j, k, {'x', 'y'})
      try('concat', table.concat, '-', i, j)
      try('concat all', table.concat, salt)
      try('unpack', table.unpack, i, j)
      try('sort', table.sort)
      local n, log = 0, {}
      local function order(f)
        return function(a, b) n = n + 1 log[#log + 1] = tostring(a) .. tostring(b) return f(a, b) end
      end
      try('down', table.sort, order(function(a, b) return tostring(a) > tostring(b) end))
      try('loose', table.sort, order(function(a, b) return tostring(a) <= tostring(b) end))
      try('odd', table.sort, order(function(a, b) return (n * salt) % 7 < 3 end))
      out[#out + 1] = n .. table.concat(log, ' ')
      return table.concat(out, '\\n')
    end";

/// The snippets that mean something else in calog than in stock Lua.
async fn differences<S: AsRef<str>>(snippets: &[S], slice: Duration) -> Vec<String> {
    let broker = builder().limits(Limits::default().slice(slice)).build().unwrap();
    let context = lua(&broker, "").await;
    // Preempted at the end of every slice, since there is somebody to go on.
    let hog = lua(&broker, "expose('hog', function() while true do end end)").await;
    let hog = tokio::spawn(hog.call::<()>("hog", ()).deadline(TIMEOUT));
    let mut wrong = Vec::new();
    for snippet in snippets {
        let snippet = snippet.as_ref();
        let wanted = stock(snippet);
        let source = format!("return load([==[{}]==], '=s')()", shown(snippet));
        match within(context.eval::<Bytes>(&source)).await {
            Ok(got) if String::from_utf8_lossy(&got) == wanted => {}
            got => wrong.push(format!("{snippet}\n    wanted {wanted:?}\n    got    {got:?}")),
        }
    }
    hog.abort();
    wrong
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn patterns_mean_what_they_mean_in_stock_lua() {
    assert_none(&differences(PATTERNS, SLICE).await);
}

#[tokio::test]
async fn the_others_do_what_they_do_in_stock_lua() {
    assert_none(&differences(OTHERS, SLICE).await);
}

#[tokio::test]
async fn tables_are_treated_as_in_stock_lua() {
    let snippets: Vec<_> = TABLES.iter().map(|snippet| format!("{PROXY} {snippet}")).collect();
    assert_none(&differences(&snippets, SLICE).await);
}

/// Runs all functions that take a pattern and shows what came of it.
const ALL_WITH_PATTERNS: &str = "local function show(...)
      local out = {}
      for i = 1, select('#', ...) do
        local v = select(i, ...)
        out[i] = type(v) == 'string' and ('%q'):format(v) or tostring(v)
      end
      return table.concat(out, ',')
    end
    return function(s, p, r, init, n)
      local out = {}
      local function try(name, f, ...) out[#out + 1] = name .. ' ' .. show(pcall(f, ...)) end
      try('find', string.find, s, p, init)
      try('plain', string.find, s, p, init, true)
      try('match', string.match, s, p, init)
      try('gmatch', function()
        local all = {}
        for a, b, c in string.gmatch(s, p, init) do
          all[#all + 1] = show(a, b, c)
          if #all > 50 then break end
        end
        return table.concat(all, ';')
      end)
      try('gsub', string.gsub, s, p, r, n)
      try('table', string.gsub, s, p, {a = 'b', b = false, ['('] = 1, [1] = 'one', [2] = ''}, n)
      try('function', string.gsub, s, p, function(...)
        if select('#', ...) % 2 == 1 then return show(...) end
      end, n)
      return table.concat(out, '\\n')
    end";

/// A text, a pattern, a replacement, where the search begins, and how often to replace.
type Matching = (Vec<u8>, Vec<u8>, Vec<u8>, i64, i64);

/// Texts, patterns and replacements that have something to do with each other, also broken ones.
fn matching() -> impl Strategy<Value = Matching> {
    let byte = || prop::sample::select(&b"aaabbbABxyz019 (){}[]%.-+*?^$\0\n\x7f\xe9_,"[..]);
    let text = prop::collection::vec(byte(), 0..24);
    let class = || prop::sample::select(&b"acdglpsuwxzACDGLPSUWXZ%.[]()-^$e\0"[..]);
    let in_set = prop_oneof![
        byte().prop_map(|b| vec![b]),
        class().prop_map(|c| vec![b'%', c]),
        (byte(), byte()).prop_map(|(a, b)| vec![a, b'-', b]),
    ];
    let set = (any::<bool>(), prop::collection::vec(in_set, 0..4), any::<u8>());
    let set = set.prop_map(|(not, parts, open)| {
        let mut set = if not { b"[^".to_vec() } else { b"[".to_vec() };
        set.extend(parts.concat());
        set.extend((open > 10).then_some(b']'));
        set
    });
    let single = prop_oneof![
        4 => byte().prop_map(|b| vec![b]),
        2 => Just(b".".to_vec()),
        2 => class().prop_map(|c| vec![b'%', c]),
        2 => set.clone(),
    ];
    let suffix = prop::sample::select(&["", "", "", "", "*", "+", "-", "?"][..]);
    let item = prop_oneof![
        12 => (single, suffix).prop_map(|(item, suffix)| [&item, suffix.as_bytes()].concat()),
        3 => prop::sample::select(&["(", ")", "()", "^", "$", "%1", "%2", "%", "["][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => (byte(), byte()).prop_map(|(a, b)| vec![b'%', b'b', a, b]),
        1 => set.prop_map(|set| [b"%f".to_vec(), set].concat()),
        2 => prop::collection::vec(byte(), 1..3).prop_map(|b| [b"(".to_vec(), b, b")".to_vec()].concat()),
        2 => Just(b"(.-)".to_vec()),
        1 => Just(b"(%w*)".to_vec()),
    ];
    let pattern = prop::collection::vec(item, 0..7).prop_map(|items| items.concat());
    let part = prop::sample::select(&["", "x", "%0", "%1", "%2", "%%", "%", "\0", "%a"][..]);
    let replacement = prop::collection::vec(part, 0..3).prop_map(|parts| parts.concat().into());
    (text, pattern, replacement, -30..30_i64, prop_oneof![Just(100_i64), -1..4_i64])
}

/// What stock Lua and calog make of the function that `source` returns differs for these arguments.
async fn made_up<T: Clone + Debug>(
    source: &str,
    arguments: impl Strategy<Value = T>,
    to_lua: impl Fn(&mlua::Lua, T) -> mlua::MultiValue,
    to_calog: impl Fn(T) -> Vec<Value>,
) -> Vec<String> {
    let broker = builder().build().unwrap();
    let context = lua(&broker, &format!("expose('run', load([==[{source}]==], '=s')())")).await;
    let stock = mlua::Lua::new();
    let run: mlua::Function = stock.load(source).set_name("=s").eval().unwrap();
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut wrong = Vec::new();
    for _ in 0..CASES {
        let given = arguments.new_tree(&mut runner).unwrap().current();
        let wanted: mlua::LuaString = run.call(to_lua(&stock, given.clone())).unwrap();
        let wanted = wanted.to_string_lossy();
        let got = within(context.call::<Bytes>("run", to_calog(given.clone()))).await.unwrap();
        let got = String::from_utf8_lossy(&got);
        if wanted != got && wrong.len() < 10 {
            wrong.push(format!("{given:?}\n  wanted {wanted}\n  got    {got}"));
        }
    }
    wrong
}

#[tokio::test]
async fn made_up_patterns_mean_what_they_mean_in_stock_lua() {
    let to_lua = |lua: &mlua::Lua, (text, pattern, replacement, init, most): Matching| {
        let string = |bytes: Vec<u8>| lua.create_string(bytes).unwrap();
        (string(text), string(pattern), string(replacement), init, most)
            .into_lua_multi(lua)
            .unwrap()
    };
    let to_calog = |(text, pattern, replacement, init, most): Matching| {
        let bytes = [text, pattern, replacement].map(|bytes| Value::from(Bytes::from(bytes)));
        bytes.into_iter().chain([init.into(), most.into()]).collect()
    };
    assert_none(&made_up(ALL_WITH_PATTERNS, matching(), to_lua, to_calog).await);
}

#[tokio::test]
async fn made_up_tables_are_treated_as_in_stock_lua() {
    type Given = (Vec<i64>, i64, i64, i64, i64);
    let list = prop_oneof![
        prop::collection::vec(-9..9_i64, 0..12),
        prop::collection::vec(0..1000_i64, 0..150),
    ];
    let given = (list, -2..14_i64, -2..14_i64, -2..14_i64, 0..9_i64);
    let to_lua = |lua: &mlua::Lua, given: Given| given.into_lua_multi(lua).unwrap();
    let to_calog = |(list, i, j, k, salt): Given| {
        [Value::list(list), i.into(), j.into(), k.into(), salt.into()].into()
    };
    assert_none(&made_up(ALL_WITH_TABLES, given, to_lua, to_calog).await);
}
