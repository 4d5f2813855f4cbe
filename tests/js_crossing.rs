//! Errors on their way through JavaScript, Lua and Rust: catchable in each, with kind, message
//! and payload, and with one trace in call order.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Broker, Context, Error, ErrorKind, Value, to_value};
use js_support::*;

/// What a JavaScript script makes of an error that it has caught: kind, message, name, payload.
const SEE: &str = "
    globalThis.see = e => [
      e instanceof Error, e.kind, e.message, e.name, JSON.stringify(e.payload), e.trace?.length > 0,
    ].join('|');
    globalThis.caught = (f, ...args) => { try { f(...args); return 'nothing'; } catch (e) {
      return see(e); } };
    globalThis.caught_async = async (f, ...args) => {
      try { await f.async(...args); return 'nothing'; } catch (e) { return see(e); } };
    null";

/// A context that runs `source` as the script `name`, whose ending says the language.
async fn script(broker: &Broker, name: &str, worker: usize, source: &str) -> Context {
    let language = name.rsplit_once('.').unwrap().1;
    let context = broker.open(language).name(name).worker(worker).await.unwrap();
    if language == "js" {
        eval::<()>(&context, SEE).await;
    }
    let ran = within(context.eval_as::<Value>(&format!("={name}"), source)).await;
    ran.unwrap_or_else(|error| panic!("{error:?} in {name}"));
    context
}

/// The trace as text.
fn trace(error: &Error) -> Vec<String> {
    error.trace().iter().map(ToString::to_string).collect()
}

/// The payload as JSON has it, for what JSON has.
fn json(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

/// The error that calling `name` ends with.
async fn failed(broker: &Broker, name: &str) -> Error {
    let result = within(broker.call::<Value>(name, ())).await;
    result.expect_err("it should have failed")
}

// C-128, C-129: an exception in a callback, called by Lua through a native, called by JavaScript.
#[tokio::test]
async fn an_exception_passes_lua_and_natives_and_stays_what_it_is() {
    for worker in [0, 1] {
        let broker = builder().workers(2).build().unwrap();
        let source = "const thrower = () => {
                        throw Object.assign(new TypeError('bad price'), { code: 7, list: [1, {
                          x: 2 }] });
                      };
                      function middle_man() {
                        return middle(thrower);
                      }
                      expose('start', () => {
                        return middle_man();
                      });
                      expose('start_async', async () => {
                        return await middle.async(thrower);
                      });
                      expose('sees', () => caught(middle, thrower));
                      expose('sees_async', async () => await caught_async(middle, thrower));
                      expose('fields', () => { try { middle(thrower); } catch (e) {
                        return [e.code, e.list, e.payload.code, Object.keys(e).join(),
                          e instanceof TypeError,
                          e.trace, String(e)]; } });";
        let _js = script(&broker, "outer.js", 0, source).await;
        let source = "expose('middle', function(f)
                        return apply(f)
                      end)
                      expose('lua_sees', function()
                        local ok, e = pcall(start)
                        return {ok, e.kind, e.message, e.payload.code, e.payload.list[2].x,
                          e.payload.name, #e.trace}
                      end)
                      expose('lua_rethrows', function()
                        local ok, e = pcall(start)
                        error(e)
                      end)";
        let _lua = script(&broker, "middle.lua", worker, source).await;

        let error = failed(&broker, "start").await;
        assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "bad price"));
        assert_eq!(json(error.payload()), r#"{"name":"TypeError","code":7,"list":[1,{"x":2}]}"#);
        let wanted = [
            "js outer.js:9",
            "js outer.js:6 in middle_man",
            "lua middle.lua:2",
            "native apply",
            "js outer.js:2 in thrower",
        ];
        assert_eq!(trace(&error), wanted);

        // With promises: the frame is where the function awaits.
        let error = failed(&broker, "start_async").await;
        assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "bad price"));
        let trace_ends: Vec<_> = trace(&error).into_iter().rev().take(3).collect();
        assert_eq!(trace_ends, ["js outer.js:2 in thrower", "native apply", "lua middle.lua:2"]);

        let seen: String = within(broker.call("sees", ())).await.unwrap();
        let wanted = r#"true|raised|bad price|TypeError|{"name":"TypeError","code":7,"list":[1,{"x":2}]}|true"#;
        assert_eq!(seen, wanted);
        let seen: String = within(broker.call("sees_async", ())).await.unwrap();
        assert_eq!(seen, wanted);
        let fields: Value = within(broker.call("fields", ())).await.unwrap();
        let wanted = r#"[7,[1,{"x":2}],7,"code,list",true,["lua middle.lua:2","native apply","js outer.js:2 in thrower"],"TypeError: bad price"]"#;
        assert_eq!(json(&fields), wanted);
        let seen: Value = within(broker.call("lua_sees", ())).await.unwrap();
        assert_eq!(json(&seen), r#"[false,"raised","bad price",7,2,"TypeError",5]"#);

        let error = failed(&broker, "lua_rethrows").await;
        assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "bad price"));
        let frames = trace(&error);
        assert_eq!(frames.len(), 6, "{frames:?}");
        assert_eq!(frames[0], "lua middle.lua:11");
        assert_eq!(frames[1], "js outer.js:9");
    }
}

/// What JavaScript may throw: the statement, the message, the payload.
fn thrown() -> Vec<(&'static str, &'static str, Value)> {
    let text = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let data = |json: &str| to_value(&text(json)).unwrap();
    vec![
        ("'text'", "text", Value::Nil),
        ("''", "", Value::Nil),
        ("'zeile\\nzwei ü \\u{1F600}'", "zeile\nzwei ü \u{1F600}", Value::Nil),
        ("5", "5", 5.into()),
        ("-0.5", "-0.5", (-0.5).into()),
        ("Infinity", "Infinity", f64::INFINITY.into()),
        ("true", "true", true.into()),
        ("false", "false", false.into()),
        ("null", "null", Value::Nil),
        ("undefined", "undefined", Value::Nil),
        ("10n", "10", 10.into()),
        ("2n ** 64n", "18446744073709551616", 2f64.powi(64).into()),
        ("Symbol('s')", "Symbol(s)", Value::Nil),
        ("{ code: 7 }", r#"{"code": 7}"#, data(r#"{"code":7}"#)),
        ("{ message: 'm', code: 1 }", "m", data(r#"{"message":"m","code":1}"#)),
        ("{ message: 5 }", r#"{"message": 5}"#, data(r#"{"message":5}"#)),
        (
            "new (class Own { code = 1; toString() { return 'own'; } })()",
            "own",
            data(r#"{"code":1}"#),
        ),
        ("[1, 'two']", "1,two", data(r#"[1,"two"]"#)),
        ("new Map([['k', 1]])", "[object Map]", data(r#"{"k":1}"#)),
        (
            "Object.assign(new Date(0), { toString: () => 'date' })",
            "date",
            "1970-01-01T00:00:00.000Z".into(),
        ),
        (
            "Object.assign(Object.create(null), { code: 3 })",
            r#"{"code": 3}"#,
            data(r#"{"code":3}"#),
        ),
        ("new Error('plain')", "plain", Value::Nil),
        ("new Error()", "", Value::Nil),
        ("new RangeError('r')", "r", data(r#"{"name":"RangeError"}"#)),
        ("Object.assign(new Error('n'), { name: 'Mine' })", "n", data(r#"{"name":"Mine"}"#)),
        (
            "new (class Shop extends Error { code = 9; get name() { return 'Shop'; } })('x')",
            "x",
            data(r#"{"name":"Shop","code":9}"#),
        ),
        (
            "new Error('c', { cause: new TypeError('inner') })",
            "c",
            data(r#"{"cause":{"name":"TypeError","message":"inner"}}"#),
        ),
        ("new Error('c', { cause: 'text' })", "c", data(r#"{"cause":"text"}"#)),
        (
            "new Error('d', { cause: new Error('e', { cause: Object.assign(new Error('f'), {
              code: 5 }) }) })",
            "d",
            data(
                r#"{"cause":{"name":"Error","message":"e","cause":{"name":"Error","message":"f","code":5}}}"#,
            ),
        ),
        (
            "Object.assign(new Error('odd'), { when: new Date(0), sym: Symbol(), f: undefined,
              big: 1n })",
            "odd",
            data(r#"{"when":"1970-01-01T00:00:00.000Z","sym":null,"f":null,"big":1}"#),
        ),
        // What cannot be read is left out; the error is not lost over it.
        (
            "Object.defineProperty(new Error('m'), 'code', { enumerable: true, get() { throw 1;
              } })",
            "m",
            Value::Nil,
        ),
        (
            "(() => { const e = new Error('self'); e.cause = e; return e; })()",
            "self",
            data(r#"{"cause":null}"#),
        ),
        (
            "Object.defineProperty({ code: 1 }, 'message', { get() { throw 1; } })",
            r#"{"code": 1}"#,
            data(r#"{"code":1}"#),
        ),
    ]
}

// C-128, C-130: whatever is thrown has one message, and its value is the payload.
#[tokio::test]
async fn whatever_is_thrown_arrives_everywhere() {
    let broker = builder().workers(2).build().unwrap();
    let mut source = String::new();
    for (index, (expression, _, _)) in thrown().iter().enumerate() {
        source += &format!(
            "expose('throw{index}', () => {{ throw {expression}; }});
                            expose('reject{index}', async () => {{ await null; throw {expression};
                              }});\n"
        );
    }
    let inner = script(&broker, "inner.js", 0, &source).await;
    let js = script(&broker, "outer.js", 1, "").await;
    let lua = script(&broker, "outer.lua", 1, "").await;
    let mut wrong = Vec::new();
    for (index, (expression, message, payload)) in thrown().into_iter().enumerate() {
        for form in ["throw", "reject"] {
            let name = format!("{form}{index}");
            let error = failed(&broker, &name).await;
            let got = (error.kind(), error.message(), error.payload());
            if got != (ErrorKind::Raised, message, &payload) {
                wrong.push(format!("{name}: {expression}\n  {got:?}"));
            }
            // Lua and JavaScript see the same as the host does.
            let source = format!("local ok, e = pcall({name}) return {{ok, e.kind, e.message}}");
            let seen: Value = within(lua.eval(&source)).await.unwrap();
            let seen = seen.as_aggregate().unwrap().array().to_vec();
            let same = [false.into(), "raised".into(), error.message().into()];
            assert_eq!(seen[..3], same, "in Lua, of {expression}");
            let source = format!(
                "let e{index}{form}; try {{ {name}(); }} catch (e) {{
              e{index}{form} = e; }}
                                  [e{index}{form} instanceof Error, e{index}{form}.kind,
                                    e{index}{form}.message]"
            );
            let seen: Vec<Value> = eval(&js, &source).await;
            assert_eq!(
                seen,
                [true.into(), "raised".into(), error.message().into()],
                "of {expression}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(inner.usage().await.unwrap().calls, 0);
}

// C-131, C-132: errors of natives and of conversions have the same kind in every language.
#[tokio::test]
async fn errors_of_natives_and_conversions_are_errors_of_javascript() {
    quiet("boom");
    let broker = builder()
        .workers(2)
        .native("takes_int", |n: i64| n)
        .native("takes_two", |a: String, b: Vec<i64>| format!("{a}{}", b.len()))
        .native("payload", || -> calog::Result<()> {
            let payload = to_value(&serde_json::json!({
                "code": 5, "kind": "mine", "list": [1], "message": "theirs", "name": "DbError",
            }));
            Err(Error::raised("failed").with_payload(payload?))
        })
        .native("named_range", || -> calog::Result<()> {
            let payload = to_value(&serde_json::json!({ "name": "RangeError" }));
            Err(Error::raised("far").with_payload(payload?))
        })
        .build()
        .unwrap();
    let source = "expose('lua_text', function() error('lua text', 0) end)
                  expose('lua_table', function() error({code = 3, message = 'lua table'}) end)
                  expose('lua_value', function() error(42) end)
                  expose('lua_nil', function() error(nil) end)
                  expose('lua_coroutine', function() return coroutine.create(print) end)
                  expose('lua_deep', function() local t = {} for i = 1,
                    70 do t = {t} end return t end)
                  expose('lua_big', function() return math.maxinteger end)";
    let _lua = script(&broker, "lib.lua", 1, source).await;
    let source = "expose('js_symbol', () => ({ deep: [Symbol()] }));
                  expose('js_promise_of_symbol', async () => Symbol());
                  expose('js_cycle', () => { const o = {}; o.o = o; return o; });";
    let _other = script(&broker, "other.js", 1, source).await;
    let context = script(&broker, "user.js", 0, "").await;
    for (call, wanted) in [
        ("fail, 'busy', 'try later'", "true|busy|try later|Error||"),
        ("fail_later, 'denied', 'no'", "true|denied|no|Error||"),
        ("fail, 'type', 't'", "true|type|t|TypeError||"),
        ("fail, 'range', 'r'", "true|range|r|RangeError||"),
        ("fail, 'arity', 'a'", "true|arity|a|TypeError||"),
        ("fail, 'nonsense', 'a'", "true|not_found|no error kind `nonsense`|Error||"),
        ("boom", "true|panicked|boom|Error||"),
        ("takes_int, 'x'", "true|type|args[1]: expected int, got string|TypeError||"),
        ("takes_int, 1.5", "true|type|args[1]: expected int, got real 1.5|TypeError||"),
        ("takes_int, 1, 2", "true|arity|expected 1 argument, got 2|TypeError||"),
        ("takes_two, 'a', [1, 'b']", "true|type|args[2][2]: expected int, got string|TypeError||"),
        ("takes_two, 'a', { 0: 1 }", "true|type|"),
        ("id, Symbol()", "true|unrepresentable|args[1]: "),
        ("id, { a: [1, { b: new WeakMap() }] }", "true|unrepresentable|args[1].a[1].b: "),
        ("id, '\\ud800'", "true|unrepresentable|args[1]: "),
        ("id, 2n ** 70n", "true|range|args[1]: "),
        (
            "payload",
            r#"true|raised|failed|DbError|{"code":5,"kind":"mine","list":[1],"message":"theirs","name":"DbError"}|"#,
        ),
        ("named_range", r#"true|raised|far|RangeError|{"name":"RangeError"}|"#),
        ("lua_text", "true|raised|lua text|Error||"),
        ("lua_table", "true|raised|lua table|Error|{"),
        ("lua_value", "true|raised|42|Error|42|"),
        ("lua_nil", "true|raised|nil|Error||"),
        ("lua_coroutine", "true|unrepresentable|result: "),
        ("lua_deep", "true|range|result"),
        ("js_symbol", "true|unrepresentable|result.deep[0]: "),
        ("js_promise_of_symbol", "true|unrepresentable|result: "),
        ("js_cycle", "true|unrepresentable|result"),
        ("call, 'nothing'", "true|not_found|"),
    ] {
        for form in ["caught", "await caught_async"] {
            let seen: String = eval(&context, &format!("{form}({call})")).await;
            assert!(seen.starts_with(wanted), "of {form}({call}): {seen}");
        }
    }
    // Only what a payload has of its own becomes a field; what an error is stays what it is.
    let source = "try { payload() } catch (e) { [e.kind, e.message, e.code, e.list,
      e.payload.kind, Object.keys(e)] }";
    let seen: Value = eval(&context, source).await;
    assert_eq!(json(&seen), r#"["raised","failed",5,[1],"mine",["code","list"]]"#);
    assert_eq!(eval::<i64>(&context, "Number(lua_big() === 2n ** 63n - 1n)").await, 1);
}

/// What a script does with an error of kind `denied` that `refuse` of another context throws, and
/// what the host gets: kind, message and payload.
const HANDLED: &[(&str, &str)] = &[
    ("try { refuse(); } catch (e) { throw e; }", r#"denied|no|{"code":7}"#),
    ("try { refuse(); } finally { later(1); }", r#"denied|no|{"code":7}"#),
    (
        "try { refuse(); } catch (e) { e.message = 'more: ' + e.message; throw e; }",
        r#"denied|more: no|{"code":7}"#,
    ),
    (
        "try { refuse(); } catch (e) { e.kind = 'busy'; e.payload = 5; e.trace = []; throw e; }",
        r#"denied|no|{"code":7}"#,
    ),
    (
        "try { refuse(); } catch (e) { throw new Error('wrapped', { cause: e }); }",
        r#"raised|wrapped|{"cause":{"kind":"denied","message":"no","payload":{"code":7}}}"#,
    ),
    (
        "try { refuse(); } catch (e) { throw { because: e, code: 1 }; }",
        r#"raised|{"because": {"kind": "denied", "message": "no", "payload": {"code": 7}}, "code": 1}|{"because":{"kind":"denied","message":"no","payload":{"code":7}},"code":1}"#,
    ),
    ("try { refuse(); } catch (e) { throw e.message; }", "raised|no|null"),
    ("try { refuse(); } catch (e) { throw Object.create(e); }", r#"raised|no|"#),
    ("try { refuse(); } finally { throw new Error('finally'); }", "raised|finally|null"),
    ("try { refuse(); } finally { fail('busy', 'finally'); }", "busy|finally|null"),
    ("try { refuse(); } catch { return 'swallowed'; }", "ok|swallowed"),
    ("try { refuse(); } finally { return 'swallowed'; }", "ok|swallowed"),
    ("refuse.async().catch(() => 1); return refuse();", r#"denied|no|{"code":7}"#),
    ("return Promise.reject(1).catch(() => refuse());", r#"denied|no|{"code":7}"#),
    ("return refuse.async();", r#"denied|no|{"code":7}"#),
    ("return refuse.async().then(() => 1).finally(() => 2);", r#"denied|no|{"code":7}"#),
    ("return refuse.async().catch(e => { throw e; });", r#"denied|no|{"code":7}"#),
    ("return refuse.async().catch(e => Promise.reject(e));", r#"denied|no|{"code":7}"#),
    ("return Promise.all([1, refuse.async()]);", r#"denied|no|{"code":7}"#),
    (
        "return (async () => { await null; try { await refuse.async(); } finally {
          await later.async(1); } })();",
        r#"denied|no|{"code":7}"#,
    ),
    (
        "return (async () => { for await (const v of (async function* () { yield refuse(); })());
          })();",
        r#"denied|no|{"code":7}"#,
    ),
    (
        "return refuse.async().finally(() => { throw new Error('finally'); });",
        "raised|finally|null",
    ),
    (
        "const e = new Error('changed'); e.message = 'once'; e.extra = 1; throw e;",
        r#"raised|once|{"extra":1}"#,
    ),
    ("throw Object.freeze(new Error('frozen'));", "raised|frozen|null"),
    (
        "throw new AggregateError([new Error('a'), 'b'], 'both');",
        r#"raised|both|{"name":"AggregateError","errors":[{"name":"Error","message":"a"},"b"]}"#,
    ),
    (
        "return Promise.any([Promise.reject(new Error('x')), refuse.async()]);",
        r#"raised||{"name":"AggregateError","errors":[{"name":"Error","message":"x"},{"kind":"denied","message":"no","payload":{"code":7}}]}"#,
    ),
    ("null.field;", r#"raised|cannot read property 'field' of null|{"name":"TypeError"}"#),
    ("missing_name;", r#"raised|missing_name is not defined|{"name":"ReferenceError"}"#),
    ("JSON.parse('{');", r#"raised|"#),
    ("eval('let = 1 +');", r#"raised|"#),
];

// C-129: what JavaScript does with an error, and what becomes of it.
#[tokio::test]
async fn errors_that_are_handled_rethrown_wrapped_and_changed() {
    let log = Log::default();
    let broker = log.of(builder()).workers(2).native("refusal", || -> calog::Result<()> {
        let payload = to_value(&serde_json::json!({ "code": 7 }))?;
        Err(Error::new(ErrorKind::Denied, "no").with_payload(payload))
    });
    let broker = broker.build().unwrap();
    let _inner =
        script(&broker, "inner.js", 1, "expose('refuse', () => { later(1); refusal(); })").await;
    let context = script(&broker, "outer.js", 0, "").await;
    let mut wrong = Vec::new();
    for (index, (body, wanted)) in HANDLED.iter().enumerate() {
        let name = format!("handled{index}");
        eval::<()>(&context, &format!("expose('{name}', () => {{ {body} }}); null")).await;
        let got = match within(broker.call::<Value>(&name, ())).await {
            Ok(value) => format!("ok|{}", value.as_str().unwrap_or_default()),
            Err(e) => format!("{}|{}|{}", e.kind(), e.message(), json(e.payload())),
        };
        let exact = !wanted.ends_with('|');
        if (exact && got != *wanted) || !got.starts_with(wanted) {
            wrong.push(format!("{body}\n  gave   {got}\n  wanted {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(log.take(), Vec::<String>::new(), "every rejection was somebody's answer");
}

// A chain of causes crosses as deep as values may be; a longer one is cut off and not lost.
#[tokio::test]
async fn deep_causes_cross_as_far_as_values_do() {
    let broker = builder().build().unwrap();
    let source = "const deep = n => {
                    let e = new Error('root');
                    for (let i = 1; i < n; i++) e = new Error('level ' + i, { cause: e });
                    return e;
                  };
                  expose('throw_deep', n => { throw deep(n); });
                  expose('throw_data', n => { let v = { n: 0 }; for (let i = 1; i < n; i++) v = {
                    v }; throw v; });";
    let _inner = script(&broker, "deep.js", 0, source).await;
    let context = script(&broker, "user.js", 0, "").await;
    for (depth, crosses) in
        [(1, true), (2, true), (30, true), (60, true), (100, false), (5000, false)]
    {
        let error = within(broker.call::<Value>("throw_deep", (depth,))).await.unwrap_err();
        let message = if depth == 1 { "root".into() } else { format!("level {}", depth - 1) };
        assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, &*message));
        let (mut payload, mut levels) = (error.payload().clone(), 1);
        while let Some(cause) = payload.as_aggregate().and_then(|map| map.get_str("cause").cloned())
        {
            (payload, levels) = (cause, levels + 1);
        }
        assert!(!crosses || levels == depth, "{levels} of {depth}");
        assert!(levels <= depth && levels <= 65, "{levels}");
        let source = format!("try {{ throw_deep({depth}) }} catch (e) {{ e.message }}");
        assert_eq!(eval::<String>(&context, &source).await, message);
    }
    for depth in [10, 100, 100_000] {
        let error = within(broker.call::<Value>("throw_data", (depth,))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Raised, "{error}");
        let source = format!("try {{ throw_data({depth}) }} catch (e) {{ e.kind }}");
        assert_eq!(eval::<String>(&context, &source).await, "raised");
    }
}

/// Errors that fight back when they are read.
const HOSTILE: &[&str] = &[
    "Object.defineProperty(new Error('m'), 'message', { get() { throw new Error('gotcha'); } })",
    "Object.defineProperty(new Error('m'), 'name', { get() { throw 1; } })",
    "Object.defineProperty(new Error('m'), 'stack', { get() { throw 1; } })",
    "Object.defineProperty(new Error('m'), 'cause', { get() { throw 1; } })",
    "Object.defineProperty(new Error('m'), 'code', { get() { throw 1; }, enumerable: true })",
    "Object.assign(new Error('m'), { stack: 5 })",
    "Object.assign(new Error('m'), { stack: '    at calog (native)\\n    at x (y:z:1)\\n at' })",
    "Object.assign(new Error('m'), { message: { toString() { throw 1; } } })",
    "Object.assign(new Error('m'), { name: Symbol(), message: 5n })",
    "Object.setPrototypeOf(new Error('m'), null)",
    "new Proxy(new Error('m'), { get() { throw 1; }, ownKeys() { throw 2; }, has() { throw 3; } })",
    "new Proxy({}, { getPrototypeOf() { throw 1; } })",
    "(() => { const r = Proxy.revocable(new Error('m'), {}); r.revoke(); return r.proxy; })()",
    "{ get message() { throw 1; }, toString() { throw 2; } }",
    "{ toString() { return {}; }, valueOf() { return {}; } }",
    "{ message: 'm', get [Symbol.toPrimitive]() { throw 1; } }",
    "{ get message() { for (let i = 0; i < 1e5; i++); return later('waited'); } }",
    "Object.assign(new Error('m'), { get code() { return later(5); } })",
    "(() => { const e = new Error('m'); e.cause = e; e.self = e; e.list = [e, { e }]; return e;
      })()",
    "Object.assign(new Error('x'.repeat(1e6)), { big: 'y'.repeat(1e6) })",
    "new Error('\\ud800 half')",
    "new Error('nul \\0 inside')",
    "function named() {}",
    "new Proxy(function () {}, {})",
    "Promise.reject(1)",
    "globalThis",
    "Error.prototype",
    "new WeakMap()",
    "new Error(undefined, { cause: undefined })",
    "Object.assign(new Error('m'), { '': 1, 'a b': 2, 0: 3, __proto__: null, constructor: 4,
      kind: 5, trace: 6, payload: 7 })",
];

// Whatever a script throws, its context and that of the catcher live on, with an Error in hand.
#[tokio::test]
async fn hostile_errors_harm_nobody() {
    let log = Log::default();
    let broker = log.of(builder()).workers(2).build().unwrap();
    for (index, expression) in HOSTILE.iter().enumerate() {
        let source = format!(
            "expose('throw{index}', () => {{ throw {expression}; }});
                              expose('reject{index}', async () => {{ throw {expression}; }});"
        );
        let inner = script(&broker, "hostile.js", 0, &source).await;
        let js = script(&broker, "user.js", 1, "").await;
        let lua = script(&broker, "user.lua", 1, "x = 1").await;
        for name in [format!("throw{index}"), format!("reject{index}")] {
            let error = failed(&broker, &name).await;
            assert_eq!(error.kind(), ErrorKind::Raised, "of {expression}: {error:?}");
            let source = format!(
                "try {{ {name}(); }} catch (e) {{
              String(e instanceof Error) + e.kind; }}"
            );
            assert_eq!(eval::<String>(&js, &source).await, "trueraised", "of {expression}");
            let source = format!("local ok, e = pcall({name}) return e.kind .. type(e.message)");
            let seen: String = within(lua.eval(&source)).await.unwrap();
            assert_eq!(seen, "raisedstring", "of {expression}");
        }
        assert_eq!(eval::<i64>(&inner, "40 + later(2)").await, 42, "after {expression}");
        at_rest(&inner).await;
        for context in [inner, js, lua] {
            context.close().await;
        }
    }
}

// C-128: through three contexts, handled at each, with one trace.
#[tokio::test]
async fn one_trace_grows_through_three_contexts() {
    let broker = builder().workers(2).build().unwrap();
    let source = "class Store {
                    get(id) {
                      fail_later('not_found', 'no order ' + id);
                    }
                  }
                  expose('load_order', id => new Store().get(id));
                  expose('load_async', async function load(id) {
                    await null;
                    new Store().get(id);
                  });";
    let _store = script(&broker, "store.js", 0, source).await;
    let source = "function fetch(id)
                    return load_order(id)
                  end
                  expose('fetch', function(id)
                    local ok, e = pcall(fetch, id)
                    if ok then return e end
                    error(e)
                  end)";
    let _cache = script(&broker, "cache.lua", 1, source).await;
    let source = "function* orders() {
                    yield fetch(1);
                  }
                  expose('report', () => {
                    try {
                      return [...orders()];
                    } catch (e) {
                      e.message += '!';
                      throw e;
                    }
                  });
                  expose('getter', () => ({ get order() { return fetch(2); } }).order);
                  expose('sorted', () => [2, 1].sort((a, b) => fetch(3)));
                  expose('in_json', () => JSON.stringify({ toJSON() { return fetch(4); } }));
                  expose('awaits', async () => { await load_async.async(5); });
                  expose('seen', () => { try { fetch(6); } catch (e) { return e.trace; } });";
    let _report = script(&broker, "report.js", 0, source).await;
    // What Lua has caught and raised again tells of the second place.
    let below = ["js store.js:6", "js store.js:3 in get", "native fail_later"];

    let error = failed(&broker, "report").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "no order 1!"));
    let frames = trace(&error);
    assert_eq!(
        frames[..3],
        ["js report.js:6", "js report.js:2 in orders", "lua cache.lua:7"],
        "{frames:?}"
    );
    assert_eq!(frames[3..], below, "{frames:?}");
    for (name, first, message) in [
        ("getter", "js report.js:12", "no order 2"),
        ("sorted", "js report.js:13", "no order 3"),
        ("in_json", "js report.js:14", "no order 4"),
    ] {
        let error = failed(&broker, name).await;
        let frames = trace(&error);
        assert_eq!(error.message(), message);
        assert_eq!(frames[0], first, "{frames:?}");
        assert_eq!(frames[frames.len() - 3..], below, "of {name}: {frames:?}");
        assert_eq!(frames[frames.len() - 4], "lua cache.lua:7", "of {name}: {frames:?}");
        // Functions of the language's own library are no frames of anybody's script.
        assert!(frames.iter().all(|frame| !frame.contains("native)")), "{frames:?}");
    }
    let error = failed(&broker, "awaits").await;
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "no order 5"));
    let frames = trace(&error);
    let end = ["js store.js:9 in load", "js store.js:3 in get", "native fail_later"];
    assert_eq!(frames[frames.len() - 3..], end, "{frames:?}");
    let seen: Vec<String> = within(broker.call("seen", ())).await.unwrap();
    assert_eq!(seen[0], "lua cache.lua:7");
    assert_eq!(seen[1..], below);
}

// A trace is bounded, whatever recursion it came through; and the error is what it was.
#[tokio::test]
async fn the_trace_of_a_recursion_is_bounded() {
    let broker = builder().build().unwrap();
    let source = "const down = n => { if (n === 0) fail('io', 'at the end'); return [down(n - 1)];
      };
                  expose('deep', n => down(n));
                  expose('endless', () => { const f = () => [f()]; return f(); });";
    let context = script(&broker, "deep.js", 0, source).await;
    for depth in [0, 10, 100, 500] {
        let error = within(broker.call::<Value>("deep", (depth,))).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "at the end"));
        let frames = trace(&error);
        assert!(frames.len() <= 40, "{} frames", frames.len());
        assert_eq!(frames.last().unwrap(), "native fail");
        assert_eq!(frames[frames.len() - 2], "js deep.js:1 in down");
    }
    let error = failed(&broker, "endless").await;
    assert_eq!(error.kind(), ErrorKind::Raised, "{error}");
    assert!(trace(&error).len() <= 40);
    let source = "try { endless() } catch (e) { e.name }";
    assert_eq!(eval::<String>(&context, source).await, "RangeError");
}
