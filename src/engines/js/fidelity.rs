//! How values cross into JavaScript and out of it, as a table with samples.

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

/// The script itself throws while the value of `expression` is read.
const fn throws(about: &'static str, expression: &'static str) -> Rule {
    Rule::leaves(about, expression, Fails(ErrorKind::Raised))
}

const NEST_64: &str = "(() => { let a = 1; for (let i = 0; i < 64; i++) a = [a]; return a })()";
const NEST_65: &str = "(() => { let a = 1; for (let i = 0; i < 65; i++) a = [a]; return a })()";
const IS_64_DEEP: &str = "v.flat(63).length === 1 && v.flat(63)[0] === 1";
const CYCLE: &str = "(() => { const a = []; a[0] = a; return a })()";

pub(super) const RULES: &[Rule] = &[
    // Out of JavaScript: nothing, truth, numbers.
    out("undefined", "undefined", "nil"),
    out("null", "null", "nil"),
    out("a boolean", "1 < 2", "true"),
    out("2^53 - 1: an int", "Number.MAX_SAFE_INTEGER", "9007199254740991"),
    out("-(2^53 - 1): an int", "Number.MIN_SAFE_INTEGER", "-9007199254740991"),
    out("2^53: a real, no longer exact", "2 ** 53", "9007199254740992.0"),
    out("2^53 + 1, which no number is", "2 ** 53 + 1", "9007199254740992.0"),
    out("an integral number: an int", "4 / 2", "2"),
    out("any other number: a real", "0.5", "0.5"),
    out("minus zero", "-0", "-0.0"),
    out("infinity", "Infinity", "inf"),
    out("minus infinity", "-Infinity", "-inf"),
    out("NaN", "NaN", "NaN"),
    out("a BigInt: an int", "2n ** 53n + 1n", "9007199254740993"),
    out("the largest BigInt of 64 bits", "2n ** 63n - 1n", "9223372036854775807"),
    out("the smallest BigInt of 64 bits", "-(2n ** 63n)", "-9223372036854775808"),
    Rule::leaves("a BigInt past 64 bits", "2n ** 63n", Fails(ErrorKind::Range))
        .lenient(Is("9.223372036854776e18")),
    Rule::leaves("a BigInt far below", "-(2n ** 64n)", Fails(ErrorKind::Range))
        .lenient(Is("-1.8446744073709552e19")),
    // Strings and bytes.
    out("text", "'na\u{ef}ve'", "\"na\u{ef}ve\""),
    out("an empty string", "''", "\"\""),
    out("a text that looks like a number", "'42'", "\"42\""),
    out("an embedded NUL", "'a\\0b'", "\"a\\0b\""),
    out("a pair of surrogates", "'\\ud834\\udd1e'", "\"\u{1d11e}\""),
    no_way("a lone surrogate", "'a\\ud800b'", "\"a\u{fffd}b\""),
    no_way("a lone surrogate in a key", "({ '\\ud800': 1 })", "{\"\u{fffd}\": 1}"),
    no_way("a symbol", "Symbol('s')", "nil"),
    no_way("a symbol in a list", "[1, Symbol.iterator, 3]", "[1, nil, 3]"),
    out("a Uint8Array: bytes", "Uint8Array.of(0, 255)", "b\"\\x00\\xff\""),
    out("one of text: bytes too", "Uint8Array.of(104, 105)", "b\"hi\""),
    out("an empty one", "new Uint8Array()", "b\"\""),
    out("a part of one", "Uint8Array.of(97, 98, 99).subarray(1)", "b\"bc\""),
    out("a Uint8ClampedArray: bytes", "Uint8ClampedArray.of(104, 105)", "b\"hi\""),
    out("a buffer: bytes", "Uint8Array.of(104, 105).buffer", "b\"hi\""),
    out(
        "a view of a buffer: bytes",
        "new DataView(Uint8Array.of(97, 98, 99).buffer, 1)",
        "b\"bc\"",
    ),
    out("other typed arrays: lists", "Int16Array.of(-1, 2)", "[-1, 2]"),
    out("a typed array of floats", "Float64Array.of(0.5, 1)", "[0.5, 1]"),
    out("a typed array of BigInts", "BigInt64Array.of(-1n)", "[-1]"),
    // Arrays.
    out("an empty array: a list", "[]", "[]"),
    out("an array: a list", "[1, 'two', true]", "[1, \"two\", true]"),
    out("undefined and null in a list", "[undefined, 1, null]", "[nil, 1, nil]"),
    out("a hole", "[1, , 3]", "[1, nil, 3]"),
    out("an array with properties: both", "Object.assign([10], { a: 1 })", "[10]{\"a\": 1}"),
    out(
        "the match of a regular expression",
        "/b/.exec('abc')",
        "[\"b\"]{\"index\": 1, \"input\": \"abc\", \"groups\": nil}",
    ),
    out("a Set: a list", "new Set([2, 1, 2])", "[2, 1]"),
    out("the arguments of a function", "(function () { return arguments })(1, 2)", "[1, 2]"),
    // Objects.
    out("an empty object: a map", "({})", "{}"),
    out("an object: a map", "({ b: 1, a: 2 })", "{\"b\": 1, \"a\": 2}"),
    out("undefined as a value", "({ a: undefined })", "{\"a\": nil}"),
    out("names that look like numbers: first", "({ b: 1, 7: 2 })", "{\"7\": 2, \"b\": 1}"),
    out("the same name twice: the later counts", "({ a: 1, b: 2, a: 3 })", "{\"a\": 3, \"b\": 2}"),
    out("an object without a prototype", "Object.create(null)", "{}"),
    out("what is inherited stays", "Object.create({ a: 1 })", "{}"),
    out(
        "an instance of a class: its own fields",
        "new (class { x = 1; #y = 2; get z() { return 3 } })()",
        "{\"x\": 1}",
    ),
    out("a getter of its own is run", "({ get a() { return 1 } })", "{\"a\": 1}"),
    throws("a getter that throws", "({ get a() { throw new Error('no') } })"),
    out("symbols as names are left out", "({ [Symbol('s')]: 1, a: 2 })", "{\"a\": 2}"),
    out("own __proto__", "JSON.parse('{\"__proto__\": 1}')", "{\"__proto__\": 1}"),
    out("a proxy of an object", "new Proxy({ a: 1 }, { get: () => 2 })", "{\"a\": 2}"),
    out("a proxy of an array", "new Proxy([1, 2], {})", "[1, 2]"),
    throws("a proxy that throws", "new Proxy({}, { ownKeys() { throw new Error('no') } })"),
    no_way(
        "a proxy that was revoked",
        "(() => { const p = Proxy.revocable({}, {}); p.revoke(); return p.proxy })()",
        "nil",
    ),
    out("a boxed number", "Object(1)", "1"),
    out("a boxed string", "Object('s')", "\"s\""),
    out("a boxed boolean", "Object(false)", "false"),
    out("a boxed BigInt", "Object(1n)", "1"),
    // Maps and their keys.
    out("an empty Map", "new Map()", "{}"),
    out("a Map", "new Map([[1, 'a'], ['k', 'b']])", "{1: \"a\", \"k\": \"b\"}"),
    out("an integral key is an int", "new Map([[2 ** 53, 'x']])", "{9007199254740992: \"x\"}"),
    out("minus zero as a key", "new Map([[-0, 'x']])", "{0: \"x\"}"),
    out("a real key", "new Map([[0.5, 'half']])", "{0.5: \"half\"}"),
    out("infinity as a key", "new Map([[Infinity, 'far']])", "{inf: \"far\"}"),
    out("a BigInt as a key", "new Map([[7n, 'x']])", "{7: \"x\"}"),
    out("a number and its text", "new Map([[1, 'a'], ['1', 'b']])", "{1: \"a\", \"1\": \"b\"}"),
    no_way("NaN as a key", "new Map([[NaN, 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("a boolean as a key", "new Map([[true, 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("undefined as a key", "new Map([[undefined, 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("an object as a key", "new Map([[{}, 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("a function as a key", "new Map([[() => 1, 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("a symbol as a key", "new Map([[Symbol('s'), 1], ['a', 2]])", "{\"a\": 2}"),
    no_way("two keys that are one", "new Map([[1, 'a'], [1n, 'b']])", "{1: \"b\"}"),
    // Depth, sharing, cycles.
    out("arrays in objects in arrays", "[[], { a: [1] }]", "[[], {\"a\": [1]}]"),
    out("nested to the cap", NEST_64, "[[[[[[[[[[[[[[[[…]]]]]]]]]]]]]]]]"),
    Rule::leaves("nested past the cap", NEST_65, Fails(ErrorKind::Range)),
    out(
        "an array that is shared: a copy at each place",
        "(() => { const a = [1]; return [a, a] })()",
        "[[1], [1]]",
    ),
    no_way("a cycle", CYCLE, "[nil]"),
    // Everything else.
    out("a function", "() => 1", "Function(..)"),
    out("an async function", "async () => 1", "Function(..)"),
    out("a class", "class {}", "Function(..)"),
    out("a function of the library", "Math.max", "Function(..)"),
    out("an error", "new TypeError('no')", "{\"name\": \"TypeError\", \"message\": \"no\"}"),
    out(
        "an error with a cause and fields",
        "Object.assign(new Error('no', { cause: 'why' }), { code: 7 })",
        "{\"name\": \"Error\", \"message\": \"no\", \"cause\": \"why\", \"code\": 7}",
    ),
    out(
        "an error of calog",
        "(() => { try { call('nobody') } catch (e) { return e } })()",
        "{\"kind\": \"not_found\", \"message\": \"nothing is called `nobody`\"}",
    ),
    no_way("a Date", "new Date(0)", "\"1970-01-01T00:00:00.000Z\""),
    no_way("a Date without a time", "new Date(NaN)", "nil"),
    no_way("a regular expression", "/a/", "nil"),
    no_way("a Promise in a list", "[Promise.resolve(1)]", "[nil]"),
    no_way("a WeakMap", "new WeakMap()", "nil"),
    no_way("a WeakRef", "new WeakRef({})", "nil"),
    no_way("a generator", "(function* () { yield 1 })()", "nil"),
    no_way("an iterator", "[1].values()", "nil"),
    // Into JavaScript: nothing, truth, numbers.
    enters("nil", "nil", || Value::Nil, "v === undefined"),
    enters("a bool", "false", || false.into(), "v === false"),
    enters(
        "2^53 - 1: a number",
        "9007199254740991",
        || ((1_i64 << 53) - 1).into(),
        "v === 2 ** 53 - 1",
    ),
    enters("2^53: a BigInt", "9007199254740992", || (1_i64 << 53).into(), "v === 2n ** 53n"),
    enters(
        "2^53 + 1: a BigInt",
        "9007199254740993",
        || ((1_i64 << 53) + 1).into(),
        "v === 2n ** 53n + 1n",
    ),
    enters(
        "-(2^53 - 1): a number",
        "-9007199254740991",
        || (1 - (1_i64 << 53)).into(),
        "v === 1 - 2 ** 53",
    ),
    enters(
        "-(2^53): a BigInt",
        "-9007199254740992",
        || (-(1_i64 << 53)).into(),
        "v === -(2n ** 53n)",
    ),
    enters("the largest int", "9223372036854775807", || i64::MAX.into(), "v === 2n ** 63n - 1n"),
    enters("the smallest int", "-9223372036854775808", || i64::MIN.into(), "v === -(2n ** 63n)"),
    enters("an integral real: a number", "1.0", || 1.0.into(), "v === 1"),
    enters(
        "2^53, a real: a number",
        "9007199254740992.0",
        || (2.0_f64).powi(53).into(),
        "v === 2 ** 53",
    ),
    enters("minus zero", "-0.0", || (-0.0).into(), "Object.is(v, -0)"),
    enters("infinity", "inf", || f64::INFINITY.into(), "v === Infinity"),
    enters("NaN", "NaN", || f64::NAN.into(), "Object.is(v, NaN)"),
    // Strings.
    enters("text", "\"na\u{ef}ve\"", || "na\u{ef}ve".into(), "v === 'na\u{ef}ve'"),
    enters(
        "text beyond 16 bits",
        "\"\u{1d11e}\"",
        || "\u{1d11e}".into(),
        "v === '\\ud834\\udd1e' && v.length === 2",
    ),
    enters("an embedded NUL", "\"a\\0b\"", || "a\0b".into(), "v === 'a\\0b' && v.length === 3"),
    enters(
        "a string that is not UTF-8: a Uint8Array",
        "\"\\xff\\xfe\"",
        || Value::String(Bytes::from_static(b"\xff\xfe")),
        "v instanceof Uint8Array && v.join() === '255,254'",
    ),
    // What a socket, a file or the body of a request yields.
    enters(
        "bytes: a Uint8Array",
        "b\"\\xff\\xfe\"",
        || binary(b"\xff\xfe"),
        "v instanceof Uint8Array && v.join() === '255,254'",
    ),
    enters(
        "bytes that are text: a Uint8Array too",
        "b\"hi\"",
        || binary(b"hi"),
        "v instanceof Uint8Array && v.join() === '104,105'",
    ),
    enters(
        "no bytes: a Uint8Array still",
        "b\"\"",
        || binary(b""),
        "v instanceof Uint8Array && v.length === 0",
    ),
    // Aggregates.
    enters("an empty list", "[]", || Aggregate::new().into(), "Array.isArray(v) && v.length === 0"),
    enters(
        "an empty map",
        "{}",
        || Aggregate::with_kind(Kind::Map).into(),
        "Object.getPrototypeOf(v) === Object.prototype && Reflect.ownKeys(v).length === 0",
    ),
    enters("a list", "[1, 2]", || Value::list([1, 2]), "Array.isArray(v) && v.join() === '1,2'"),
    enters(
        "nil inside of a list: null",
        "[1, nil, 3]",
        || Value::list([Some(1), None, Some(3)]),
        "v.length === 3 && v[1] === null",
    ),
    enters(
        "nil at the end of a list: null",
        "[1, nil]",
        || Value::list([Some(1), None]),
        "v.length === 2 && v[1] === null",
    ),
    enters(
        "a map: an object",
        "{\"a\": 1}",
        || Value::map([("a", 1)]),
        "Object.getPrototypeOf(v) === Object.prototype && v.a === 1",
    ),
    enters(
        "nil as a value: null",
        "{\"a\": nil}",
        || Value::map([("a", Value::Nil)]),
        "v.a === null",
    ),
    enters(
        "the order of names: numbers first",
        "{\"b\": 1, \"7\": 2, \"a\": 3}",
        || Value::map([("b", 1), ("7", 2), ("a", 3)]),
        "Object.keys(v).join() === '7,b,a'",
    ),
    enters(
        "the name __proto__: a property",
        "{\"__proto__\": 1}",
        || Value::map([("__proto__", 1)]),
        "Object.hasOwn(v, '__proto__') && v.__proto__ === 1",
    ),
    enters("a number as text", "{\"1\": \"a\"}", || Value::map([("1", "a")]), "v[1] === 'a'"),
    enters(
        "a map with int keys: a Map",
        "{1: \"a\", 2: \"b\"}",
        || Value::map([(1, "a"), (2, "b")]),
        "v instanceof Map && v.size === 2 && v.get(2) === 'b'",
    ),
    enters(
        "names and int keys: a Map",
        "{\"k\": \"a\", 1: \"b\"}",
        || Value::map([(Key::from("k"), "a"), (Key::Int(1), "b")]),
        "v instanceof Map && v.get('k') === 'a' && v.get(1) === 'b'",
    ),
    enters(
        "a key past 2^53: a BigInt",
        "{9007199254740993: \"x\"}",
        || Value::map([((1_i64 << 53) + 1, "x")]),
        "v.get(2n ** 53n + 1n) === 'x'",
    ),
    enters("an integral real key is the int", "{7: \"a\"}", || keyed(7.0, "a"), "v.get(7) === 'a'"),
    enters(
        "a real key",
        "{0.5: \"half\"}",
        || keyed(0.5, "half"),
        "v instanceof Map && v.get(0.5) === 'half'",
    ),
    enters(
        "both: an array with properties",
        "[10]{\"a\": 1}",
        || table(Kind::Both, vec![10.into()], [("a".into(), 1.into())]),
        "Array.isArray(v) && v.length === 1 && v[0] === 10 && v.a === 1",
    ),
    Rule::enters(
        "both, with the key of an element",
        "[\"element\"]{1: \"pair\"}",
        || table(Kind::Both, vec!["element".into()], [(1.into(), "pair".into())]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("v.length === 1 && Object.keys(v).length === 1 && v[0] === 'element'")),
    Rule::enters(
        "both, with the name of an index",
        "[10]{\"0\": 1}",
        || table(Kind::Both, vec![10.into()], [("0".into(), 1.into())]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("v.length === 1 && v[0] === 10")),
    Rule::enters(
        "both, with the name length",
        "[10]{\"length\": 0}",
        || table(Kind::Both, vec![10.into()], [("length".into(), 0.into())]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("v.length === 1 && v[0] === 10")),
    Rule::enters(
        "a key that is not UTF-8",
        "{\"\\xff\": 1}",
        || Value::map([(Bytes::from_static(b"\xff"), 1)]),
        Fails(ErrorKind::Unrepresentable),
    )
    .lenient(Is("v['\\ufffd'] === 1")),
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
        "v[0] !== v[1] && v[0][0] === v[1][0]",
    ),
    Rule::function("a function", Is("typeof v === 'function'")),
];
