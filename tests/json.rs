//! JSON, and text and bytes, for scripts of every language.

#![cfg(all(feature = "lua", feature = "js", feature = "basic"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use bytes::Bytes;
use calog::{Broker, Context, Limits, Value};
use languages::{exact, language, open, within};

/// The value of an expression in full, or the error as `KIND: MESSAGE`.
async fn eval(context: &Context, expression: &str) -> String {
    let source = (language(context.name()).value)(expression);
    match within(context.eval::<Value>(&source)).await {
        Ok(value) => exact(&value),
        Err(error) => format!("{}: {}", error.kind(), error.message()),
    }
}

async fn play(engine: &str, rows: &[(&str, &str)]) {
    let broker = Broker::builder().workers(1).build().unwrap();
    let context = open(&broker, engine).await;
    for (expression, wanted) in rows {
        assert_eq!(eval(&context, expression).await, *wanted, "{engine}: {expression}");
    }
}

#[tokio::test]
async fn lua_reads_and_writes_json() {
    let rows = [
        // Ints and reals stay apart.
        ("json.encode({1, 1.0, 0.5, -0.0, 1e100})", r#""[1,1.0,0.5,-0.0,1e+100]""#),
        ("json.decode('[1, 1.0, 0.5, -0, 1e2]')", "[1, 1.0, 0.5, -0.0, 100.0]"),
        ("json.encode(math.maxinteger)", r#""9223372036854775807""#),
        ("json.decode('-9223372036854775808')", "-9223372036854775808"),
        ("math.type(json.decode('7')) .. math.type(json.decode('7.0'))", r#""integerfloat""#),
        // The rest of what JSON has.
        (
            "json.encode('a\"\\\\\\n\\0\u{e9}\u{1d11e}')",
            "\"\\\"a\\\\\\\"\\\\\\\\\\\\n\\\\u0000\\xc3\\xa9\\xf0\\x9d\\x84\\x9e\\\"\"",
        ),
        (
            "json.decode('\"\\\\u00e9\\\\ud834\\\\udd1e\\\\/\\\\t\"')",
            r#""\xc3\xa9\xf0\x9d\x84\x9e/\t""#,
        ),
        ("json.encode()", r#""null""#),
        ("json.encode(nil)", r#""null""#),
        ("json.decode('null')", "nil"),
        ("json.encode(true)", r#""true""#),
        ("json.decode(' [true,false,null,1] ')", "[true, false, nil, 1]"),
        // Containers. An empty table is a list to Lua.
        ("json.encode({})", r#""[]""#),
        ("json.encode({a = {}})", r#""{\"a\":[]}""#),
        ("json.encode({{}, {a = {1, 2}}})", r#""[[],{\"a\":[1,2]}]""#),
        ("json.encode({1, nil, 3})", r#""[1,null,3]""#),
        ("json.decode('{\"a\": [1, {}], \"b\": {\"\": null}}')", r#"{"a": [1, []], "b": []}"#),
        ("json.decode('{\"a\": 1, \"a\": 2}')", r#"{"a": 2}"#),
        (
            "json.encode({a = {1, {b = 'c'}}}, {pretty = true})",
            r#""{\n  \"a\": [\n    1,\n    {\n      \"b\": \"c\"\n    }\n  ]\n}""#,
        ),
        ("json.encode({}, {pretty = true})", r#""[]""#),
        ("json.encode({1}, {pretty = false})", r#""[1]""#),
        // What has no form in JSON is an error that names the place.
        (
            "json.encode({a = {1, 0 / 0}})",
            "unrepresentable: args[1].a[2]: the number NaN has no form in JSON",
        ),
        ("json.encode(-1 / 0)", "unrepresentable: args[1]: the number -inf has no form in JSON"),
        ("json.encode({a = print})", "unrepresentable: args[1].a: a function has no form in JSON"),
        (
            "json.encode({'\\xff'})",
            "unrepresentable: args[1][1]: a string that is not UTF-8 has no form in JSON",
        ),
        (
            "json.encode({[2] = 'b'})",
            "unrepresentable: args[1]: the key 2, which is no text, has no form in JSON",
        ),
        (
            "json.encode({[0.5] = 'b'})",
            "unrepresentable: args[1]: the key 0.5, which is no text, has no form in JSON",
        ),
        (
            "json.encode({['\\xff'] = 'b'})",
            "unrepresentable: args[1]: the key \"\\xff\", which is no text, has no form in JSON",
        ),
        (
            "json.encode({1, a = 2})",
            "unrepresentable: args[1]: a mix of list and map has no form in JSON",
        ),
        (
            "json.encode({1}, {prety = true})",
            "type: args[2]: there is no option `prety`, only `pretty`",
        ),
        ("json.encode({1}, {pretty = 1})", "type: args[2].pretty: expected bool, got int"),
        // What is no JSON, and where.
        ("json.decode('')", "type: no JSON: EOF while parsing a value at line 1 column 0"),
        ("json.decode('[1,\\n  2,]')", "type: no JSON: trailing comma at line 2 column 5"),
        ("json.decode('1 2')", "type: no JSON: trailing characters at line 1 column 3"),
        ("json.decode('{} x')", "type: no JSON: trailing characters at line 1 column 4"),
        ("json.decode('{a: 1}')", "type: no JSON: key must be a string at line 1 column 2"),
        ("json.decode('NaN')", "type: no JSON: expected value at line 1 column 1"),
        ("json.decode('[1, 01]')", "type: no JSON: invalid number at line 1 column 6"),
        (
            "json.decode('\"\\xff\"')",
            "type: no JSON: invalid unicode code point at line 1 column 2",
        ),
        (
            "json.decode('\"\\\\ud800\"')",
            "type: no JSON: unexpected end of hex escape at line 1 column 8",
        ),
        ("json.decode('1e400')", "range: number out of range at line 1 column 5"),
        (
            "json.decode('[1,\\n 18446744073709551616]')",
            "range: the integer at line 2 column 2 has more than 64 bits",
        ),
        ("json.decode(('['):rep(65))", "range: nested deeper than 64"),
        ("json.decode({})", "type: args[1]: expected string, got list"),
        ("json.decode()", "arity: args[1]: missing"),
        (
            "(function() local _, e = pcall(json.decode, '[1,\\n x]') return e.payload end)()",
            r#"{"column": 2, "line": 2}"#,
        ),
        // What is large goes another way, and gives the same.
        ("json.decode(json.encode({('x'):rep(200000), 1, 1.5}))[3]", "1.5"),
        ("#json.encode({('x'):rep(200000)})", "200004"),
        (
            "json.decode('[' .. ('1,'):rep(100000) .. '}')",
            "type: no JSON: expected value at line 1 column 200002",
        ),
        (
            "json.encode({('x'):rep(200000), print})",
            "unrepresentable: args[1][2]: a function has no form in JSON",
        ),
        // Text and bytes are one in Lua.
        ("text.decode('na\u{ef}ve')", r#""na\xc3\xafve""#),
        ("text.encode('\\xff')", r#""\xff""#),
        (
            "text.decode('\\xff')",
            "unrepresentable: args[1]: expected text, got bytes that are not UTF-8",
        ),
    ];
    play("lua", &rows).await;
}

#[tokio::test]
async fn javascript_reads_and_writes_json() {
    let rows = [
        (
            "json.encode({ b: [1, 0.5, null, undefined], a: {} })",
            r#""{\"b\":[1,0.5,null,null],\"a\":{}}""#,
        ),
        ("json.decode('{\"b\": 1, \"a\": {}, \"c\": []}')", r#"{"a": {}, "b": 1, "c": []}"#),
        // The order of the keys is that of the text.
        (
            "Object.keys(json.decode('{\"b\": 1, \"a\": 2, \"c\": 3, \"a\": 4}')).join()",
            r#""b,a,c""#,
        ),
        (
            "json.encode(json.decode('{\"b\":1,\"a\":{},\"c\":[]}'))",
            r#""{\"b\":1,\"a\":{},\"c\":[]}""#,
        ),
        ("json.decode('9007199254740993')", "9007199254740993"),
        ("typeof json.decode('9007199254740993')", r#""bigint""#),
        ("json.encode(2n ** 53n + 1n)", r#""9007199254740993""#),
        (
            "json.encode(new Map([[1, 2]]))",
            "unrepresentable: args[1]: the key 1, which is no text, has no form in JSON",
        ),
        (
            "json.encode([Uint8Array.of(104)])",
            "unrepresentable: args[1][1]: a value of bytes (text.decode makes text of them) has no form in JSON",
        ),
        ("json.decode(text.encode('[1]'))", "[1]"),
        ("json.encode([1], { pretty: true })", r#""[\n  1\n]""#),
        ("json.encode([1], { pretty: undefined })", r#""[1]""#),
        ("(async () => (await json.decode.async('[1]'))[0])()", "1"),
        ("text.decode(Uint8Array.of(104, 195, 169))", r#""h\xc3\xa9""#),
        ("text.decode('h\u{e9}')", r#""h\xc3\xa9""#),
        (
            "text.decode(Uint8Array.of(255))",
            "unrepresentable: args[1]: expected text, got bytes that are not UTF-8",
        ),
        ("text.encode('h\u{e9}')", r#"b"h\xc3\xa9""#),
        ("text.encode('') instanceof Uint8Array", "true"),
        ("text.encode(Uint8Array.of(255))", r#"b"\xff""#),
    ];
    play("js", &rows).await;
}

#[tokio::test]
async fn basic_reads_and_writes_json() {
    let rows = [
        (
            "json.encode(dict(\"b\", list(1, 0.5, nil), \"a\", dict()))",
            r#""{\"b\":[1,0.5,null],\"a\":{}}""#,
        ),
        (
            "JSON.DECODE(\"{\" + chr(34) + \"a\" + chr(34) + \": [1, 1.5, {}]}\")",
            r#"{"a": [1, 1.5, {}]}"#,
        ),
        ("json.encode(list(1), dict(\"pretty\", 1))", r#""[\n  1\n]""#),
        (
            "json.encode(dict(1, 2))",
            "unrepresentable: args[1]: the key 1, which is no text, has no form in JSON",
        ),
        ("json.decode(\"true\")", "1"),
        ("text.decode(text.encode(\"\u{e9}\"))", r#""\xc3\xa9""#),
    ];
    play("basic", &rows).await;
}

// Bytes of a native keep their type on their way through JavaScript, and are a string elsewhere.
#[tokio::test]
async fn bytes_of_natives_are_text_only_when_somebody_says_so() {
    for (engine, wanted) in [("lua", "\"hi\""), ("js", "b\"hi\""), ("basic", "\"hi\"")] {
        let native = || Bytes::from_static(b"hi");
        let broker = Broker::builder().workers(1).native("given", native).build().unwrap();
        let context = open(&broker, engine).await;
        assert_eq!(eval(&context, "given()").await, wanted, "{engine}");
        assert_eq!(eval(&context, "text.decode(given())").await, "\"hi\"", "{engine}");
    }
}

// What is as deep as values may be fits on the stack of a script in every language.
#[tokio::test]
async fn the_deepest_value_is_written_and_read_on_the_stack_of_a_script() {
    let deepest = Limits::MOST_VALUE_DEPTH;
    let limits = Limits::default().value_depth(deepest);
    let broker = Broker::builder().workers(1).limits(limits).build().unwrap();
    for engine in ["lua", "js", "basic"] {
        let context = open(&broker, engine).await;
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let again = format!("json.encode(json.decode(\"{}\"))", nested(deepest));
        assert_eq!(eval(&context, &again).await, format!("\"{}\"", nested(deepest)), "{engine}");
        let deeper = format!("json.decode(\"{}\")", nested(deepest + 1));
        let error = format!("range: nested deeper than {deepest}");
        assert_eq!(eval(&context, &deeper).await, error, "{engine}");
    }
}
