//! How values cross into BASIC and out of it, as a table with samples.

use crate::{
    error::ErrorKind,
    fidelity::{
        Outcome::{Fails, Is},
        Rule,
        write::{binary, enters, keyed, nested, no_way, out, table},
    },
    value::{Aggregate, Key, Kind, Value},
};
use bytes::Bytes;

/// An expression for what statements return.
macro_rules! returned {
    ($statements:literal) => {
        concat!("get(try(lambda () (", $statements, ")), \"value\")")
    };
}

const NEST_64: &str = returned!(
    "nest = lambda (n) (if n = 0 then return 1 else return list(nest(n - 1))): return nest(64)"
);
const NEST_65: &str = returned!(
    "nest = lambda (n) (if n = 0 then return 1 else return list(nest(n - 1))): return nest(65)"
);
const IS_64_DEEP: &str = concat!(
    returned!(
        "deep = lambda (l) (if l is type(\"LIST\") then return 1 + deep(l(0)) else return 0): \
         return deep(v)"
    ),
    " = 64"
);

pub(super) const RULES: &[Rule] = &[
    // Out of BASIC: nothing, truth, numbers.
    out("NIL", "nil", "nil"),
    out("UNKNOWN, what a missing key reads as", "get(dict(), 1)", "nil"),
    out("truth: 0 or 1, where nobody asks for a bool", "1 < 2", "1"),
    out("TRUE", "true", "1"),
    out("the largest INT", "9223372036854775807", "9223372036854775807"),
    out("the smallest INT", "-9223372036854775807 - 1", "-9223372036854775808"),
    out("one past the largest: a REAL", "9223372036854775807 + 1", "9.223372036854776e18"),
    out("a literal past 64 bits: a REAL", "9223372036854775808", "9.223372036854776e18"),
    out("2^53 - 1", "9007199254740991", "9007199254740991"),
    out("2^53", "9007199254740992", "9007199254740992"),
    out("2^53 + 1", "9007199254740993", "9007199254740993"),
    out("2^53, calculated: an INT", "2 ^ 53", "9007199254740992"),
    out("an integral REAL", "1.0", "1.0"),
    out("an integral REAL, calculated: an INT", "1.5 * 2", "3"),
    out("a REAL", "7 / 2", "3.5"),
    out("minus zero", "val(\"-0.0\")", "-0.0"),
    out("minus zero, calculated: an INT", "val(\"-0.0\") * 1", "0"),
    out("infinity", "1 / 0", "inf"),
    out("minus infinity", "-(1 / 0)", "-inf"),
    out("NaN", "0 / 0", "NaN"),
    // Strings.
    out("text", "\"na\u{ef}ve\"", "\"na\u{ef}ve\""),
    out("an empty string", "\"\"", "\"\""),
    out("a text that looks like a number", "\"42\"", "\"42\""),
    out("an embedded NUL", "\"a\" + chr(0) + \"b\"", "\"a\\0b\""),
    out("a string that is not UTF-8", "chr(255) + chr(254)", "\"\\xff\\xfe\""),
    // Collections.
    out("an empty LIST", "list()", "[]"),
    out("an empty DICT", "dict()", "{}"),
    out("a LIST", "list(1, \"two\", 0.5)", "[1, \"two\", 0.5]"),
    out("a range", "list(3 to 1)", "[3, 2, 1]"),
    out("NIL inside of a LIST", "list(1, nil, 3)", "[1, nil, 3]"),
    out("NIL at the end of a LIST", "list(1, nil)", "[1, nil]"),
    out("UNKNOWN in a LIST", "list(get(dict(), 1))", "[nil]"),
    out("a DICT", "dict(\"a\", 1)", "{\"a\": 1}"),
    out("NIL as a value", "dict(\"a\", nil)", "{\"a\": nil}"),
    out("INT keys: a map too", "dict(0, \"a\", 1, \"b\")", "{0: \"a\", 1: \"b\"}"),
    out(
        "a number as text is another key",
        "dict(1, \"a\", \"1\", \"b\")",
        "{1: \"a\", \"1\": \"b\"}",
    ),
    out("an integral REAL key is the int", "dict(7.0, \"a\")", "{7: \"a\"}"),
    out("a REAL key", "dict(0.5, \"half\")", "{0.5: \"half\"}"),
    out("infinity as a key", "dict(1 / 0, \"far\")", "{inf: \"far\"}"),
    out("a key that is not UTF-8", "dict(chr(255), 1)", "{\"\\xff\": 1}"),
    no_way("two keys that are one", "dict(2, \"a\", 2.0, \"b\")", "{2: \"b\"}"),
    no_way("NaN as a key", "dict(0 / 0, 1, \"a\", 2)", "{\"a\": 2}"),
    no_way("NIL as a key", "dict(nil, 1, \"a\", 2)", "{\"a\": 2}"),
    no_way("a LIST as a key", "dict(list(), 1, \"a\", 2)", "{\"a\": 2}"),
    no_way("a TYPE as a key", "dict(type(1), 1, \"a\", 2)", "{\"a\": 2}"),
    no_way("a lambda as a key", "dict(lambda () (return), 1, \"a\", 2)", "{\"a\": 2}"),
    out("an ARRAY of numbers: REALs", "to_array(list(1, 2))", "[1.0, 2.0]"),
    out(
        "an ARRAY with two indexes: lists in a list",
        returned!("dim a(2, 3): a(1, 0) = 5: return a"),
        "[[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]]",
    ),
    out("an ARRAY of texts", returned!("dim a$(2): a$(0) = \"x\": return a$"), "[\"x\", \"\"]"),
    // Depth, sharing, cycles.
    out("collections in each other", "list(list(), dict(\"a\", list(1)))", "[[], {\"a\": [1]}]"),
    out("nested to the cap", NEST_64, "[[[[[[[[[[[[[[[[…]]]]]]]]]]]]]]]]"),
    Rule::leaves("nested past the cap", NEST_65, Fails(ErrorKind::Range)),
    out(
        "a LIST that is shared: a copy at each place",
        returned!("l = list(1): return list(l, l)"),
        "[[1], [1]]",
    ),
    no_way("a cycle", returned!("l = list(): push(l, l): return l"), "[nil]"),
    // Everything else.
    out("a lambda", "lambda () (return 1)", "Function(..)"),
    out("a native", "call(fs.read)", "Function(..)"),
    no_way("a TYPE: its name", "type(1)", "\"INTEGER\""),
    no_way("an iterator", "iterator(list(1))", "nil"),
    no_way("an iterator in a LIST", "list(1, iterator(list()), 3)", "[1, nil, 3]"),
    out("what TRY gives: a DICT", "try(lambda () (return 7))", "{\"ok\": 1, \"value\": 7}"),
    // Into BASIC: nothing, truth, numbers.
    enters("nil", "nil", || Value::Nil, "v = nil"),
    enters("a bool: 0", "false", || false.into(), "(v is type(\"INTEGER\")) and v = 0"),
    enters("a bool: 1", "true", || true.into(), "(v is type(\"INTEGER\")) and v = 1"),
    enters(
        "the largest int",
        "9223372036854775807",
        || i64::MAX.into(),
        "(v is type(\"INTEGER\")) and v = 9223372036854775807",
    ),
    enters(
        "the smallest int",
        "-9223372036854775808",
        || i64::MIN.into(),
        "(v is type(\"INTEGER\")) and v = -9223372036854775807 - 1",
    ),
    enters("2^53 - 1", "9007199254740991", || ((1_i64 << 53) - 1).into(), "v = 9007199254740991"),
    enters("2^53", "9007199254740992", || (1_i64 << 53).into(), "v = 9007199254740992"),
    enters(
        "2^53 + 1, which no real is",
        "9007199254740993",
        || ((1_i64 << 53) + 1).into(),
        "(v is type(\"INTEGER\")) and v - 1 = 9007199254740992",
    ),
    enters(
        "an integral real: a REAL until it is calculated with",
        "1.0",
        || 1.0.into(),
        "(v is type(\"REAL\")) and (v * 1 is type(\"INTEGER\"))",
    ),
    enters("minus zero", "-0.0", || (-0.0).into(), "v = 0 and str(v) = \"-0\""),
    enters("infinity", "inf", || f64::INFINITY.into(), "v = 1 / 0"),
    enters("NaN", "NaN", || f64::NAN.into(), "str(v) = \"nan\""),
    // Strings.
    enters("text", "\"na\u{ef}ve\"", || "na\u{ef}ve".into(), "v = \"na\u{ef}ve\" and len(v) = 5"),
    enters(
        "an embedded NUL",
        "\"a\\0b\"",
        || "a\0b".into(),
        "v = \"a\" + chr(0) + \"b\" and len(v) = 3",
    ),
    enters(
        "a string that is not UTF-8",
        "\"\\xff\\xfe\"",
        || Value::String(Bytes::from_static(b"\xff\xfe")),
        "v = chr(255) + chr(254) and len(v) = 2",
    ),
    // What a socket, a file or the body of a request yields.
    enters(
        "bytes: a string",
        "b\"\\xff\\xfe\"",
        || binary(b"\xff\xfe"),
        "v = chr(255) + chr(254) and len(v) = 2",
    ),
    enters("bytes that are text: a string too", "b\"hi\"", || binary(b"hi"), "v = \"hi\""),
    // Aggregates.
    enters(
        "an empty list",
        "[]",
        || Aggregate::new().into(),
        "(v is type(\"LIST\")) and len(v) = 0",
    ),
    enters(
        "an empty map",
        "{}",
        || Aggregate::with_kind(Kind::Map).into(),
        "(v is type(\"DICT\")) and len(v) = 0",
    ),
    enters(
        "a list",
        "[1, 2]",
        || Value::list([1, 2]),
        "(v is type(\"LIST\")) and len(v) = 2 and v(0) = 1 and v(1) = 2",
    ),
    enters(
        "nil inside of a list",
        "[1, nil, 3]",
        || Value::list([Some(1), None, Some(3)]),
        "len(v) = 3 and v(1) = nil",
    ),
    enters(
        "nil at the end of a list",
        "[1, nil]",
        || Value::list([Some(1), None]),
        "len(v) = 2 and v(1) = nil",
    ),
    enters(
        "a map",
        "{\"a\": 1}",
        || Value::map([("a", 1)]),
        "(v is type(\"DICT\")) and v(\"a\") = 1",
    ),
    enters(
        "nil as a value",
        "{\"a\": nil}",
        || Value::map([("a", Value::Nil)]),
        "exists(v, \"a\") and v(\"a\") = nil",
    ),
    enters(
        "int keys: a DICT too",
        "{1: \"a\", 2: \"b\"}",
        || Value::map([(1, "a"), (2, "b")]),
        "(v is type(\"DICT\")) and v(1) = \"a\" and v(2) = \"b\"",
    ),
    enters(
        "a number as text",
        "{\"1\": \"a\"}",
        || Value::map([("1", "a")]),
        "v(\"1\") = \"a\" and not exists(v, 1)",
    ),
    enters(
        "an integral real key is the int",
        "{7: \"a\"}",
        || keyed(7.0, "a"),
        "v(7) = \"a\" and not exists(v, 7.0)",
    ),
    enters("a real key", "{0.5: \"half\"}", || keyed(0.5, "half"), "v(0.5) = \"half\""),
    enters(
        "a key that is not UTF-8",
        "{\"\\xff\": 1}",
        || Value::map([(Bytes::from_static(b"\xff"), 1)]),
        "v(chr(255)) = 1",
    ),
    enters(
        "both: a DICT with the list under the keys from 0",
        "[10]{\"a\": 1}",
        || table(Kind::Both, vec![10.into()], [("a".into(), 1.into())]),
        "(v is type(\"DICT\")) and len(v) = 2 and v(0) = 10 and v(\"a\") = 1",
    ),
    enters(
        "both, with the key after the last element's",
        "[\"element\"]{1: \"pair\"}",
        || table(Kind::Both, vec!["element".into()], [(1.into(), "pair".into())]),
        "v(0) = \"element\" and v(1) = \"pair\"",
    ),
    Rule::enters(
        "both, with the key of an element",
        "[\"element\"]{0: \"pair\"}",
        || table(Kind::Both, vec!["element".into()], [(Key::Int(0), "pair".into())]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("len(v) = 1 and v(0) = \"pair\"")),
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
        "len(push(v(0), 2)) = 2 and len(v(1)) = 1",
    ),
    Rule::function("a function", Is("v is type(\"ROUTINE\")")),
];
