//! How values cross into Lua and out of it, as a table with samples.

use crate::{
    error::ErrorKind,
    fidelity::{
        Outcome::{Fails, Is},
        Rule,
        write::{binary, enters, keyed, nested, no_way, out, table},
    },
    value::{Aggregate, Kind, Value},
};
use bytes::Bytes;

const NEST_64: &str = "(function() local t = 1 for _ = 1, 64 do t = {t} end return t end)()";
const NEST_65: &str = "(function() local t = 1 for _ = 1, 65 do t = {t} end return t end)()";
const IS_64_DEEP: &str = "(function() local n = 0 \
                          while type(v) == 'table' do v, n = v[1], n + 1 end return n == 64 end)()";

pub(super) const RULES: &[Rule] = &[
    // Out of Lua: nothing, truth, numbers.
    out("nil", "nil", "nil"),
    out("a boolean", "1 < 2", "true"),
    out("the largest integer", "math.maxinteger", "9223372036854775807"),
    out("the smallest integer", "math.mininteger", "-9223372036854775808"),
    out("one past the largest: Lua wraps", "math.maxinteger + 1", "-9223372036854775808"),
    out("a literal past 64 bits: a float", "9223372036854775808", "9.223372036854776e18"),
    out("2^53 - 1, an integer", "(1 << 53) - 1", "9007199254740991"),
    out("2^53, an integer", "1 << 53", "9007199254740992"),
    out("2^53 + 1, an integer", "(1 << 53) + 1", "9007199254740993"),
    out("2^53, a float", "2^53", "9007199254740992.0"),
    out("an integral float", "4 / 2", "2.0"),
    out("minus zero", "-0.0", "-0.0"),
    out("infinity", "1 / 0", "inf"),
    out("minus infinity", "-1 / 0", "-inf"),
    out("NaN", "0 / 0", "NaN"),
    // Strings.
    out("text", "'na\u{ef}ve'", "\"na\u{ef}ve\""),
    out("an empty string", "''", "\"\""),
    out("a text that looks like a number", "'42'", "\"42\""),
    out("an embedded NUL", "'a\\0b'", "\"a\\0b\""),
    out("a string that is not UTF-8", "'\\xff\\xfe'", "\"\\xff\\xfe\""),
    out("a lone surrogate, which is not UTF-8", "'\\u{D800}'", "\"\\xed\\xa0\\x80\""),
    // Tables.
    out("an empty table: a list", "{}", "[]"),
    out("a sequence: a list", "{1, 'two', true}", "[1, \"two\", true]"),
    out("other keys: a map", "{a = 1}", "{\"a\": 1}"),
    out("a mixed table: both", "{10, 20, a = 1}", "[10, 20]{\"a\": 1}"),
    out("the key 0 is not in the list", "{[0] = 'zero', 'one'}", "[\"one\"]{0: \"zero\"}"),
    out("no key 1: a map", "{[2] = 'b'}", "{2: \"b\"}"),
    out("nil inside of a list", "{1, nil, 3}", "[1, nil, 3]"),
    out("nil at the end of a list", "{1, nil}", "[1]"),
    out("nil as a value: no pair at all", "{a = nil}", "[]"),
    out("tables in tables", "{{}, {a = {1}}}", "[[], {\"a\": [1]}]"),
    out("nested to the cap", NEST_64, "[[[[[[[[[[[[[[[[…]]]]]]]]]]]]]]]]"),
    Rule::leaves("nested past the cap", NEST_65, Fails(ErrorKind::Range)),
    out(
        "a table that is shared: a copy at each place",
        "(function() local t = {1} return {t, t} end)()",
        "[[1], [1]]",
    ),
    no_way("a cycle", "(function() local t = {} t[1] = t return t end)()", "[nil]"),
    out(
        "metatables are not looked at",
        "setmetatable({1}, {__index = error, __len = error, __pairs = error})",
        "[1]",
    ),
    out(
        "an instance of a class: its own fields",
        "setmetatable({x = 1}, {__index = {y = 2}})",
        "{\"x\": 1}",
    ),
    // Keys.
    out("an integral float key is the integer", "{[2^53] = 'x'}", "{9007199254740992: \"x\"}"),
    out("the same key twice: the later counts", "{[7] = 'a', [7.0] = 'b'}", "{7: \"b\"}"),
    out("a float key", "{[0.5] = 'half'}", "{0.5: \"half\"}"),
    out("infinity as a key", "{[1 / 0] = 'far'}", "{inf: \"far\"}"),
    out("a number as text is another key", "{'a', ['1'] = 'b'}", "[\"a\"]{\"1\": \"b\"}"),
    out("a key that is not UTF-8", "{['\\xff'] = 1}", "{\"\\xff\": 1}"),
    no_way("a boolean as a key", "{'a', [true] = 1}", "[\"a\"]"),
    no_way("a table as a key", "{'a', [{}] = 1}", "[\"a\"]"),
    no_way("a function as a key", "{'a', [print] = 1}", "[\"a\"]"),
    no_way("a coroutine as a key", "{'a', [coroutine.create(print)] = 1}", "[\"a\"]"),
    // Everything else.
    out("a function", "function() return 1 end", "Function(..)"),
    out("a function of the library", "print", "Function(..)"),
    no_way("a coroutine", "coroutine.create(print)", "nil"),
    no_way("a coroutine in a list", "{1, coroutine.create(print), 3}", "[1, nil, 3]"),
    out("an error that Lua raised: a text", "select(2, pcall(error, 'no', 0))", "\"no\""),
    out("an error that is a table", "select(2, pcall(error, {code = 7}))", "{\"code\": 7}"),
    out(
        "an error of calog, a userdata",
        "select(2, pcall(call, 'nobody'))",
        "{\"kind\": \"not_found\", \"message\": \"nothing is called `nobody`\"}",
    ),
    // Into Lua: nothing, truth, numbers.
    enters("nil", "nil", || Value::Nil, "v == nil"),
    enters("a bool", "false", || false.into(), "v == false"),
    enters(
        "the largest int",
        "9223372036854775807",
        || i64::MAX.into(),
        "math.type(v) == 'integer' and v == math.maxinteger",
    ),
    enters(
        "the smallest int",
        "-9223372036854775808",
        || i64::MIN.into(),
        "math.type(v) == 'integer' and v == math.mininteger",
    ),
    enters("2^53 - 1", "9007199254740991", || ((1_i64 << 53) - 1).into(), "v == (1 << 53) - 1"),
    enters("2^53", "9007199254740992", || (1_i64 << 53).into(), "v == 1 << 53"),
    enters(
        "2^53 + 1, which no real is",
        "9007199254740993",
        || ((1_i64 << 53) + 1).into(),
        "v == (1 << 53) + 1",
    ),
    enters("an integral real", "1.0", || 1.0.into(), "math.type(v) == 'float' and v == 1"),
    enters("minus zero", "-0.0", || (-0.0).into(), "v == 0 and 1 / v == -1 / 0"),
    enters("infinity", "inf", || f64::INFINITY.into(), "v == 1 / 0"),
    enters("NaN", "NaN", || f64::NAN.into(), "v ~= v"),
    // Strings.
    enters("text", "\"na\u{ef}ve\"", || "na\u{ef}ve".into(), "v == 'na\u{ef}ve'"),
    enters("an embedded NUL", "\"a\\0b\"", || "a\0b".into(), "v == 'a\\0b' and #v == 3"),
    enters(
        "a string that is not UTF-8",
        "\"\\xff\\xfe\"",
        || Value::String(Bytes::from_static(b"\xff\xfe")),
        "v == '\\xff\\xfe'",
    ),
    // What a socket, a file or the body of a request yields.
    enters("bytes: a string", "b\"\\xff\\xfe\"", || binary(b"\xff\xfe"), "v == '\\xff\\xfe'"),
    enters("bytes that are text: a string too", "b\"hi\"", || binary(b"hi"), "v == 'hi'"),
    // Aggregates.
    enters("an empty list", "[]", || Aggregate::new().into(), "next(v) == nil"),
    enters(
        "an empty map: an empty table too",
        "{}",
        || Aggregate::with_kind(Kind::Map).into(),
        "next(v) == nil",
    ),
    enters("a list", "[1, 2]", || Value::list([1, 2]), "#v == 2 and v[1] == 1 and v[2] == 2"),
    enters(
        "nil inside of a list: a hole",
        "[1, nil, 3]",
        || Value::list([Some(1), None, Some(3)]),
        "v[1] == 1 and v[2] == nil and v[3] == 3",
    ),
    enters(
        "nil at the end of a list",
        "[1, nil]",
        || Value::list([Some(1), None]),
        "#v == 1 and v[1] == 1",
    ),
    enters("a map", "{\"a\": 1}", || Value::map([("a", 1)]), "v.a == 1"),
    enters(
        "nil as a value: no pair",
        "{\"a\": nil}",
        || Value::map([("a", Value::Nil)]),
        "next(v) == nil",
    ),
    enters(
        "both: one table",
        "[10]{\"a\": 1}",
        || table(Kind::Both, vec![10.into()], [("a".into(), 1.into())]),
        "v[1] == 10 and v.a == 1",
    ),
    enters(
        "int keys from 1: a sequence",
        "{1: \"a\", 2: \"b\"}",
        || Value::map([(1, "a"), (2, "b")]),
        "#v == 2 and v[1] == 'a' and v[2] == 'b'",
    ),
    Rule::enters(
        "both, with the key of an element",
        "[\"element\"]{1: \"pair\"}",
        || table(Kind::Both, vec!["element".into()], [(1.into(), "pair".into())]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("v[1] == 'pair'")),
    enters("an integral real key is the int", "{7: \"a\"}", || keyed(7.0, "a"), "v[7] == 'a'"),
    enters("a real key", "{0.5: \"half\"}", || keyed(0.5, "half"), "v[0.5] == 'half'"),
    enters("a number as text", "{\"1\": \"a\"}", || Value::map([("1", "a")]), "v['1'] == 'a'"),
    enters(
        "a key that is not UTF-8",
        "{\"\\xff\": 1}",
        || Value::map([(Bytes::from_static(b"\xff"), 1)]),
        "v['\\xff'] == 1",
    ),
    enters("nested to the cap", "64 lists in each other", || nested(64), IS_64_DEEP),
    Rule::enters(
        "nested past the cap",
        "65 lists in each other",
        || nested(65),
        Fails(ErrorKind::Range),
    ),
    enters(
        "a part that is shared: copies",
        "[[1], [1]]",
        || Value::list(vec![Value::list([1]); 2]),
        "v[1] ~= v[2] and v[1][1] == v[2][1]",
    ),
    Rule::function("a function", Is("type(v) == 'function'")),
];
