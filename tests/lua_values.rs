//! Values into Lua and out of it, row by row, and errors: what crosses, what is refused, and how it is said.

#![cfg(feature = "lua")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lua_support;

use bytes::Bytes;
use calog::{
    Aggregate, Broker, Context, Error, ErrorKind, Fidelity, Function, Key, Kind, Limits, Result,
    Value,
};
use lua_support::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// What a script sees of a value, as a text in which types cannot be confused.
const SEE: &str = r"
    function see(v)
      if math.type(v) then return math.type(v) .. ':' .. tostring(v) end
      if type(v) == 'string' then return ('string:%q'):format(v) end
      if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end
      local parts = {}
      for i = 1, #v do parts[i] = see(v[i]) end
      local rest = {}
      for k, x in pairs(v) do
        if not (math.type(k) == 'integer' and k >= 1 and k <= #v) then
          rest[#rest + 1] = see(k) .. '=' .. see(x)
        end
      end
      table.sort(rest)
      return '{' .. table.concat(parts, ',') .. ';' .. table.concat(rest, ',') .. '}'
    end
    expose('see', see)
    expose('identity', function(...) return ... end)
";

async fn context(broker: &Broker) -> Context {
    lua(broker, SEE).await
}

async fn eval(context: &Context, source: &str) -> Result<Value> {
    within(context.eval::<Value>(source)).await
}

async fn see(context: &Context, value: impl calog::IntoValue) -> String {
    within(context.call::<String>("see", (value,))).await.unwrap()
}

fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::map(pairs)
}

fn table(kind: Kind, array: Vec<Value>, pairs: Vec<(Key, Value)>) -> Value {
    let mut table = Aggregate::with_kind(kind);
    array.into_iter().for_each(|value| table.push(value));
    pairs.into_iter().for_each(|(key, value)| drop(table.insert(key, value)));
    table.into()
}

/// Lists in lists, `depth` deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::from(1), |inner, _| Value::list([inner]))
}

// C-046, C-048: all 64 bits, and the two kinds of numbers, both ways.
#[tokio::test]
async fn numbers_keep_their_type_and_every_bit() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    for (value, seen) in [
        (Value::Int(i64::MAX), "integer:9223372036854775807"),
        (Value::Int(i64::MIN), "integer:-9223372036854775808"),
        (Value::Int(0), "integer:0"),
        (Value::Int((1 << 53) + 1), "integer:9007199254740993"),
        (Value::Real(1.0), "float:1.0"),
        (Value::Real(-0.0), "float:-0.0"),
        (Value::Real(f64::INFINITY), "float:inf"),
        (Value::Real(f64::NEG_INFINITY), "float:-inf"),
        (Value::Real(f64::MAX), "float:1.7976931348623e+308"),
        (Value::Real(f64::MIN_POSITIVE), "float:2.2250738585072e-308"),
        (Value::Real(5e-324), "float:4.9406564584125e-324"),
        (Value::Real(9_223_372_036_854_775_808.0), "float:9.2233720368548e+18"),
        (Value::Bool(true), "boolean:true"),
        (Value::Bool(false), "boolean:false"),
        (Value::Nil, "nil:nil"),
    ] {
        assert_eq!(see(&context, value.clone()).await, seen);
        let back: Value = within(context.call("identity", (value.clone(),))).await.unwrap();
        assert_eq!(back, value);
        if let (Value::Real(there), Value::Real(back)) = (value, back) {
            assert_eq!(there.to_bits(), back.to_bits());
        }
    }
    let nan: f64 = within(context.call("identity", (f64::NAN,))).await.unwrap();
    assert!(nan.is_nan());
    assert!(eval(&context, "return 0/0").await.unwrap().as_real().unwrap().is_nan());
    // What Lua computes is what arrives: no number is turned into the other kind, none becomes a text.
    for (source, wanted) in [
        ("return 1", Value::Int(1)),
        ("return 1.0", Value::Real(1.0)),
        ("return 4 / 2", Value::Real(2.0)),
        ("return 4 // 2", Value::Int(2)),
        ("return math.maxinteger + 1", Value::Int(i64::MIN)),
        ("return -0.0", Value::Real(-0.0)),
        ("return '42'", Value::from("42")),
        ("return 2^53", Value::Real(9_007_199_254_740_992.0)),
    ] {
        assert_eq!(eval(&context, source).await.unwrap(), wanted, "of {source}");
    }
}

// C-050, C-011: strings are bytes.
#[tokio::test]
async fn strings_are_any_bytes() {
    let broker = builder().native("length", |bytes: Bytes| bytes.len()).build().unwrap();
    let context = context(&broker).await;
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for bytes in [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"a\0b\0"),
        Bytes::from_static(b"\xff\xfe\x80"),
        Bytes::from_static("\u{1f600}".as_bytes()),
        Bytes::from(all),
        Bytes::from(vec![7; 1 << 20]),
    ] {
        let back: Bytes = within(context.call("identity", (bytes.clone(),))).await.unwrap();
        assert_eq!(back, bytes);
        // As a key and as a value in a table too.
        let table = Value::map([(Key::from(bytes.clone()), Value::String(bytes))]);
        let back: Value = within(context.call("identity", (table.clone(),))).await.unwrap();
        assert_eq!(back, table);
    }
    assert_eq!(eval(&context, "return length('a\\0b')").await.unwrap(), Value::Int(3));
    let error = within(context.eval::<String>("return '\\xff'")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrepresentable);
    assert!(error.message().starts_with("result: "), "{error}");
}

// C-017, C-018, C-019, C-051, C-052, C-055: what a table becomes.
#[tokio::test]
async fn tables_become_lists_maps_or_both() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    let int = |i: i64| Value::Int(i);
    for (source, wanted) in [
        ("return {}", table(Kind::List, vec![], vec![])),
        ("return {1, 'two', true}", Value::list([int(1), "two".into(), true.into()])),
        ("return {a = 1}", map([("a", int(1))])),
        (
            "return {10, 20, a = 1}",
            table(Kind::Both, vec![int(10), int(20)], vec![("a".into(), int(1))]),
        ),
        (
            "return {[0] = 'zero', 'one'}",
            table(Kind::Both, vec!["one".into()], vec![(Key::Int(0), "zero".into())]),
        ),
        ("return {[-1] = 5}", table(Kind::Map, vec![], vec![(Key::Int(-1), int(5))])),
        (
            "return {[math.mininteger] = 1, [math.maxinteger] = 2}",
            table(
                Kind::Map,
                vec![],
                vec![(Key::Int(i64::MIN), int(1)), (Key::Int(i64::MAX), int(2))],
            ),
        ),
        // A hole inside of a constructor is a nil of the list.
        ("return {1, nil, 3}", Value::list([int(1), Value::Nil, int(3)])),
        // A table without a first element is no list.
        ("return {[2] = 'b'}", table(Kind::Map, vec![], vec![(Key::Int(2), "b".into())])),
        (
            "return {[1000000000] = 1}",
            table(Kind::Map, vec![], vec![(Key::Int(1_000_000_000), int(1))]),
        ),
        // Lua itself makes an integer of an integral float key.
        (
            "return {[1.0] = 'a', [2^53] = 'b'}",
            table(Kind::Both, vec!["a".into()], vec![(Key::Int(1 << 53), "b".into())]),
        ),
        (
            "return {[0.5] = 'half', [-1e300] = 'far'}",
            table(
                Kind::Map,
                vec![],
                vec![
                    (Key::real(0.5).unwrap(), "half".into()),
                    (Key::real(-1e300).unwrap(), "far".into()),
                ],
            ),
        ),
        (
            "return {[1/0] = 1}",
            table(Kind::Map, vec![], vec![(Key::real(f64::INFINITY).unwrap(), int(1))]),
        ),
        // A number and the text of it are two keys, and reading leaves both as they are.
        (
            "local t = {['1'] = 'text', [10] = 'number', ['10'] = 'text'} id(t) return t",
            table(
                Kind::Map,
                vec![],
                vec![
                    ("1".into(), "text".into()),
                    (Key::Int(10), "number".into()),
                    ("10".into(), "text".into()),
                ],
            ),
        ),
        // Written from its end, a list lies among the pairs, and Lua gives it in any order.
        ("local t = {} for i = 9, 1, -1 do t[i] = i end return t", Value::list((1..=9).map(int))),
        (
            "local t = {1, 2} t.a, t.b = 'a', 'b' for i = 7, 3, -1 do t[i] = i end return t",
            table(
                Kind::Both,
                (1..=7).map(int).collect(),
                vec![("a".into(), "a".into()), ("b".into(), "b".into())],
            ),
        ),
        // What reads like the next element is none.
        (
            "return {1, 2, ['3'] = 'text'}",
            table(Kind::Both, vec![int(1), int(2)], vec![("3".into(), "text".into())]),
        ),
        (
            "return {{}, {{}}}",
            Value::list([
                Value::from(Aggregate::new()),
                Value::list([Value::from(Aggregate::new())]),
            ]),
        ),
    ] {
        let got = eval(&context, source).await.unwrap();
        assert_eq!(got, wanted, "of {source}");
        // Once more through Lua nothing changes, and the script sees the same.
        let again: Value = within(context.call("identity", (wanted.clone(),))).await.unwrap();
        assert_eq!(again, wanted, "of {source}, again");
    }
    // The script's side. An empty map is an empty table, which comes back as a list.
    assert_eq!(see(&context, table(Kind::Map, vec![], vec![])).await, "{;}");
    assert_eq!(see(&context, vec![1, 2]).await, "{integer:1,integer:2;}");
    let real = table(Kind::Map, vec![], vec![(Key::real(0.5).unwrap(), 1.into())]);
    assert_eq!(see(&context, real).await, "{;float:0.5=integer:1}");
    let empty: Value =
        within(context.call("identity", (table(Kind::Map, vec![], vec![]),))).await.unwrap();
    assert_eq!(empty.as_aggregate().unwrap().kind(), Kind::List);
    // An empty table serves as either for Rust.
    assert!(within(context.eval::<Vec<i64>>("return {}")).await.unwrap().is_empty());
    assert!(within(context.eval::<HashMap<String, i64>>("return {}")).await.unwrap().is_empty());
}

// C-063, C-053: a pair that has the index of a list's element must not replace it without a word.
#[tokio::test]
async fn a_key_that_collides_with_the_list_is_refused() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    let colliding = table(Kind::Both, vec!["list".into()], vec![(Key::Int(1), "pair".into())]);
    let result = within(context.call::<String>("see", (colliding.clone(),))).await;
    assert_eq!(kind(result), ErrorKind::Unrepresentable);
    // Nested, and as the result of a native.
    let deep = map([("a", Value::list([colliding]))]);
    let error = within(context.call::<String>("see", (deep,))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrepresentable);
}

// C-057, C-060, C-061: the cap, exactly, in both directions and in every place where values cross.
#[tokio::test]
async fn values_cross_to_the_depth_cap_and_no_deeper() {
    let cap = Limits::default().value_depth;
    let broker = builder().native("deep", |n: usize| nested(n)).build().unwrap();
    let context = context(&broker).await;
    let build = |n: usize| format!("local t = 1 for _ = 1, {n} do t = {{t}} end ");
    for depth in [0, 1, cap - 1, cap] {
        let back: Value = within(context.call("identity", (nested(depth),))).await.unwrap();
        assert_eq!(back, nested(depth));
        assert_eq!(eval(&context, &(build(depth) + "return id(t)")).await.unwrap(), nested(depth));
        let source = format!("return deep({depth})");
        assert_eq!(eval(&context, &source).await.unwrap(), nested(depth));
    }
    for depth in [cap + 1, cap + 2, 2 * cap] {
        let inwards =
            within(context.call::<Value>("identity", (nested(depth),))).await.unwrap_err();
        assert_eq!(inwards.kind(), ErrorKind::Range, "{inwards}");
        assert!(inwards.message().contains(&format!("deeper than {cap}")), "{inwards}");
        let outwards = eval(&context, &(build(depth) + "return t")).await.unwrap_err();
        assert_eq!(outwards.kind(), ErrorKind::Range);
        assert!(outwards.message().starts_with("result[1][1]"), "{outwards}");
        assert_eq!(kind(eval(&context, &(build(depth) + "return id(t)")).await), ErrorKind::Range);
        let source = format!("return deep({depth})");
        assert_eq!(kind(eval(&context, &source).await), ErrorKind::Range);
        let source = build(depth) + "expose('deep_data', t)";
        assert_eq!(kind(eval(&context, &source).await), ErrorKind::Range);
    }
    // Maps count like lists.
    let source = format!("local t = 1 for _ = 1, {} do t = {{a = t}} end return t", cap + 1);
    let error = eval(&context, &source).await.unwrap_err();
    assert!(error.message().starts_with("result.a.a"), "{error}");
    // Usable as before.
    assert_eq!(see(&context, 1).await, "integer:1");
}

// C-061: the broker's setting counts, and a silly one does not take the process down.
#[tokio::test]
async fn the_depth_cap_is_a_setting_of_the_broker() {
    for cap in [0, 1, 5] {
        let broker = builder().limits(Limits::default().value_depth(cap)).build().unwrap();
        let context = context(&broker).await;
        let deepest: Value = within(context.call("identity", (nested(cap),))).await.unwrap();
        assert_eq!(deepest, nested(cap));
        let deeper = within(context.call::<Value>("identity", (nested(cap + 1),))).await;
        assert_eq!(kind(deeper), ErrorKind::Range);
    }
    let broker = builder().limits(Limits::default().value_depth(usize::MAX)).build().unwrap();
    let context = context(&broker).await;
    let result = within(context.call::<Value>("identity", (nested(1_000_000),))).await;
    assert_eq!(kind(result), ErrorKind::Range);
    let source = "local t = {} for _ = 1, 200000 do t = {t} end return t";
    assert_eq!(kind(eval(&context, source).await), ErrorKind::Range);
}

// C-061, C-040: a million deep, in both directions, without a crash.
#[tokio::test]
async fn a_value_a_million_deep_is_refused_without_a_crash() {
    const DEPTH: usize = 1_000_000;
    let broker = builder().native("deep", || nested(DEPTH)).build().unwrap();
    let context = context(&broker).await;
    let result = within(context.call::<Value>("identity", (nested(DEPTH),))).await;
    assert_eq!(kind(result), ErrorKind::Range);
    assert_eq!(kind(eval(&context, "return deep()").await), ErrorKind::Range);
    let source = format!("local t = 1 for _ = 1, {DEPTH} do t = {{t}} end return t");
    // Either the cap or the memory limit refuses it; both are fine.
    let refused = kind(eval(&context, &source).await);
    assert!(matches!(refused, ErrorKind::Range | ErrorKind::Memory), "{refused}");
    assert_eq!(see(&context, 1).await, "integer:1");
}

// C-058, C-075: cycles are refused with their path; what is only shared is copied at each place.
#[tokio::test]
async fn cycles_are_refused_and_shared_tables_are_copied() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    for (source, path) in [
        ("local t = {} t[1] = t return t", "result[1]: "),
        ("local t = {} t.me = t return t", "result.me: "),
        ("local a, b = {}, {} a.b = b b.list = {1, {a}} return {x = a}", "result.x.b.list[2][1]: "),
        ("local t = {} t['odd name'] = t id(t)", "args[1][\"odd name\"]: "),
        ("local t = {} t[7] = t id(0, t)", "args[2][7]: "),
        ("local t = {} t[0.5] = {t} expose('cycle', t)", "args[2][0.5][1]: "),
        ("local t = {} t.me = t call(id, t)", "args[2].me: "),
    ] {
        let error = eval(&context, source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unrepresentable, "of {source}");
        assert!(error.message().starts_with(path), "{error} of {source}");
    }
    let source = "local s = {1} return {s, s, {s}, k = s}";
    let one = || Value::list([1]);
    let wanted =
        table(Kind::Both, vec![one(), one(), Value::list([one()])], vec![("k".into(), one())]);
    assert_eq!(eval(&context, source).await.unwrap(), wanted);
    // A table that is shared 2^40 times over must not be copied for ever: the size limit ends it.
    let source = "local t = {1, 2} for _ = 1, 40 do t = {t, t} end return t";
    assert_eq!(kind(eval(&context, source).await), ErrorKind::Range);
    // Also in Rust's own form, where sharing costs nothing until a script gets the copies.
    let bomb = (0..40).fold(Value::from(1), |t, _| Value::list([t.clone(), t]));
    let refused = kind(within(context.call::<Value>("identity", (bomb,))).await);
    assert!(matches!(refused, ErrorKind::Range | ErrorKind::Memory), "{refused}");
    assert_eq!(see(&context, 1).await, "integer:1");
}

// C-020, C-063, C-065, C-192: what has no counterpart, strict and lenient.
#[tokio::test]
async fn what_cannot_cross_is_an_error_or_is_left_out() {
    let broker = builder().build().unwrap();
    let strict = context(&broker).await;
    let lenient = broker.open("lua").fidelity(Fidelity::Lenient).await.unwrap();
    let nil_list = |n| Value::list(vec![Value::Nil; n]);
    for (source, path, coerced) in [
        ("return coroutine.create(print)", "result: ", Value::Nil),
        ("return {1, coroutine.create(print)}", "result[2]: ", Value::list([1.into(), Value::Nil])),
        ("return {co = coroutine.create(print), a = 1}", "result.co: ", Value::Nil),
        ("return {[true] = 1}", "result: ", Value::from(Aggregate::new())),
        ("return {[print] = 1}", "result: ", Value::from(Aggregate::new())),
        ("return {[{}] = 1}", "result: ", Value::from(Aggregate::new())),
        (
            "return {x = {[coroutine.create(print)] = 1}}",
            "result.x: ",
            map([("x", Value::from(Aggregate::new()))]),
        ),
        ("local t = {} t[1] = t return {t}", "result[1][1]: ", Value::list([nil_list(1)])),
        ("return id(coroutine.create(print))", "args[1]: ", Value::Nil),
        (
            "return id({a = {[false] = 0, b = 2}})",
            "args[1].a: ",
            map([("a", map([("b", 2.into())]))]),
        ),
    ] {
        let error = eval(&strict, source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unrepresentable, "of {source}");
        assert!(error.message().starts_with(path), "{error} of {source}");
        let got = eval(&lenient, source).await.unwrap();
        if source.contains("co =") {
            // Whether a nil in a map is kept or left out is the same to everybody who reads it.
            assert_eq!(got.as_aggregate().unwrap().get_str("a"), Some(&1.into()));
            assert!(got.as_aggregate().unwrap().get_str("co").is_none_or(Value::is_nil));
        } else {
            assert_eq!(got, coerced, "of {source}");
        }
        // A call may choose for itself.
        let got = within(strict.eval::<Value>(source).fidelity(Fidelity::Lenient)).await;
        assert!(got.is_ok(), "{got:?} of {source}");
        let got = within(lenient.eval::<Value>(source).fidelity(Fidelity::Strict)).await;
        assert_eq!(kind(got), ErrorKind::Unrepresentable, "of {source}");
    }
    // The choice goes down the chain: the script that is called on the way follows it too.
    let inner = "expose('give_coroutine', function() return {coroutine.create(print), 2} end)";
    within(strict.eval::<()>(inner)).await.unwrap();
    let source = "return #give_coroutine()";
    assert_eq!(kind(eval(&lenient, source).await), ErrorKind::Unrepresentable);
    let call = lenient.eval::<i64>(source).fidelity(Fidelity::Lenient);
    assert_eq!(within(call).await.unwrap(), 2);
}

// C-075: no metamethod of a script runs while values cross, in either direction.
#[tokio::test]
async fn metatables_are_never_looked_at() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    let source = "local touched = ''
        local m = {}
        for _, name in ipairs{'index', 'newindex', 'len', 'pairs', 'ipairs', 'call', 'tostring', 'eq', 'name',
          'metatable', 'concat', 'lt', 'le', 'close', 'mode'} do
          m['__' .. name] = function() touched = touched .. name .. ' ' error(name .. ' was called') end
        end
        local t = setmetatable({1, 2, key = 'value', inner = setmetatable({3}, m)}, m)
        id(t) expose('with_metatable', t)
        local back = later(t)
        assert(getmetatable(back) == nil and getmetatable(back.inner) == nil)
        assert(touched == '', touched)
        return t";
    let wanted = table(
        Kind::Both,
        vec![1.into(), 2.into()],
        vec![("key".into(), "value".into()), ("inner".into(), Value::list([3]))],
    );
    assert_eq!(eval(&context, source).await.unwrap(), wanted);
    assert_eq!(broker.export("with_metatable").unwrap(), wanted);
    // A `__len` that lies does not make elements up, nor does an `__index`.
    let source = "return setmetatable({1}, {__len = function() return 5 end, __index = function() return 9 end})";
    assert_eq!(eval(&context, source).await.unwrap(), Value::list([1]));
}

// `Limits::value_bytes`: how much may cross at once, in every direction.
#[tokio::test]
async fn values_that_are_too_large_are_refused() {
    const LIMIT: usize = 100_000;
    let broker = builder()
        .limits(Limits::default().value_bytes(LIMIT))
        .native("large", |n: usize| "x".repeat(n))
        .build()
        .unwrap();
    let context = context(&broker).await;
    let fits = format!("return #id(('x'):rep({}))", LIMIT - 100);
    assert!(eval(&context, &fits).await.is_ok());
    for (source, path) in [
        ("id(('x'):rep(100001))", "args[1]: "),
        ("return ('x'):rep(100001)", "result: "),
        ("id({a = {('x'):rep(100001)}})", "args[1]"),
        (
            "local s = ('x'):rep(1000) local t = {} for i = 1, 101 do t[i] = s end return t",
            "result",
        ),
        ("local t = {} for i = 1, 100000 do t[i] = i end id(t)", "args[1]"),
        ("local t = {} for i = 1, 100000 do t[-i] = i end id(t)", "args[1]"),
        ("expose('large_data', ('x'):rep(100001))", "args[2]: "),
        ("id({[('k'):rep(100001)] = 1})", "args[1]"),
    ] {
        let result = eval(&context, source).await;
        let error = result.expect_err(source);
        assert_eq!(error.kind(), ErrorKind::Range, "{error} of {source}");
        assert!(error.message().starts_with(path), "{error} of {source}");
    }
    assert_eq!(see(&context, 1).await, "integer:1");
}

// The same from Rust into a script.
#[tokio::test]
async fn values_that_are_too_large_are_refused_on_the_way_in() {
    const LIMIT: usize = 100_000;
    let broker = builder()
        .limits(Limits::default().value_bytes(LIMIT))
        .native("large", |n: usize| "x".repeat(n))
        .build()
        .unwrap();
    let context = context(&broker).await;
    within(context.eval::<()>("expose('sink', function(v) return type(v) end)")).await.unwrap();
    let large = "x".repeat(2 * LIMIT);
    assert_eq!(
        kind(within(context.call::<Value>("sink", (large.as_str(),))).await),
        ErrorKind::Range
    );
    let list = vec![1; 2 * LIMIT];
    assert_eq!(kind(within(context.call::<Value>("sink", (list,))).await), ErrorKind::Range);
    assert_eq!(
        kind(eval(&context, &format!("return #large({})", 2 * LIMIT)).await),
        ErrorKind::Range
    );
}

// C-063: what a native's parameters do not take is named by its place.
#[tokio::test]
async fn conversion_errors_name_the_place() {
    let broker = builder()
        .native("user", |_: BTreeMap<String, Vec<String>>| {})
        .native("two", |_: i64, _: Option<String>| {})
        .native("none", || {})
        .native_async("later_user", |_: BTreeMap<String, Vec<String>>| async {})
        .native("returns_large", || u64::MAX)
        .build()
        .unwrap();
    let context = context(&broker).await;
    for (source, kind, message) in [
        ("user({name = 5})", "type", "args[1].name: expected list, got int"),
        ("user({name = {'a', true}})", "type", "args[1].name[2]: expected string, got bool"),
        ("later_user({name = {'a', true}})", "type", "args[1].name[2]: expected string, got bool"),
        ("user(7)", "type", "args[1]: expected map, got int"),
        ("user()", "arity", "args[1]: missing"),
        ("user({}, 1)", "arity", "expected 1 argument, got 2"),
        ("two(1.5)", "type", "args[1]: expected int, got real 1.5"),
        ("two('1')", "type", "args[1]: expected int, got string"),
        ("two(2^70)", "range", "args[1]: "),
        ("two(1, 2)", "type", "args[2]: expected string, got int"),
        ("two(1, 'a', nil)", "arity", "expected 2 arguments, got 3"),
        ("none(nil)", "arity", "expected 0 arguments, got 1"),
        ("two(1, '\\xff')", "unrepresentable", "args[2]: "),
        ("apply(5)", "type", "args[1]: expected function, got int"),
        ("returns_large()", "range", ""),
        ("user({name = {coroutine.create(print)}})", "unrepresentable", "args[1].name[1]: "),
    ] {
        let error = eval(&context, source).await.unwrap_err();
        assert_eq!(error.kind().as_str(), kind, "{error} of {source}");
        assert!(error.message().starts_with(message), "{error} of {source}");
        // In the script it is the same error.
        let caught = format!(
            "local ok, e = pcall(function() {source} end) return e.kind .. ' ' .. e.message"
        );
        let caught = within(context.eval::<String>(&caught)).await.unwrap();
        assert_eq!(caught, format!("{} {}", error.kind(), error.message()), "of {source}");
    }
    assert!(eval(&context, "two(3.0) two(3, nil) user({})").await.is_ok());
    // And for what a script returns.
    let error = within(context.eval::<Vec<BTreeMap<String, i64>>>("return {{}, {a = 'x'}}")).await;
    let error = error.unwrap_err();
    assert_eq!(error.message(), "result[2].a: expected int, got string");
}

/// Any number, with those at the edges often.
fn number() -> impl Strategy<Value = Value> {
    let ints = vec![0, 1, -1, i64::MAX, i64::MIN, 1 << 53];
    let reals = vec![0.0, -0.0, 1.0, 0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, 2e18];
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Real),
        prop::sample::select(ints).prop_map(Value::Int),
        prop::sample::select(reals).prop_map(Value::Real),
    ]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        bytes().prop_map(Key::from),
        (-3_i64..8).prop_map(Key::Int),
        any::<i64>().prop_map(Key::Int),
        any::<f64>().prop_filter_map("NaN is no key", |real| Key::real(real).ok()),
    ]
}

/// Any value without functions.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        number(),
        bytes().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let kinds = prop::sample::select(vec![Kind::List, Kind::Map, Kind::Both]);
        let array = prop::collection::vec(inner.clone(), 0..5);
        let pairs = prop::collection::vec((key(), inner), 0..5);
        (kinds, array, pairs).prop_map(|(kind, array, pairs)| {
            let length = i64::try_from(array.len()).unwrap();
            let array = if kind == Kind::Map { vec![] } else { array };
            let pairs = if kind == Kind::List { vec![] } else { pairs };
            // A key in the list's range is refused, which has a test of its own.
            let pairs = pairs
                .into_iter()
                .filter(|(key, _)| !key.as_int().is_some_and(|key| (1..=length).contains(&key)));
            table(kind, array, pairs.collect())
        })
    })
}

/// A value as a Lua table sees it: one map from keys to what is not nil; lists and maps are the same.
fn flat(value: &Value) -> Vec<(Vec<Key>, String)> {
    fn walk(value: &Value, path: &mut Vec<Key>, out: &mut Vec<(Vec<Key>, String)>) {
        match value {
            Value::Nil => {}
            Value::Aggregate(aggregate) => {
                out.push((path.clone(), "table".into()));
                let array = (1..).map(Key::Int).zip(aggregate.array());
                let pairs = aggregate.pairs().map(|(key, value)| (key.clone(), value));
                for (key, value) in array.chain(pairs) {
                    path.push(key);
                    walk(value, path, out);
                    path.pop();
                }
            }
            Value::Real(real) if real.is_nan() => out.push((path.clone(), "NaN".into())),
            Value::Real(real) => out.push((path.clone(), format!("real {}", real.to_bits()))),
            plain => out.push((path.clone(), format!("{plain:?}"))),
        }
    }
    let mut out = Vec::new();
    walk(value, &mut Vec::new(), &mut out);
    out.sort();
    out
}

/// Does it have a nil where a list of Lua would end?
fn has_nil(value: &Value) -> bool {
    value.as_aggregate().is_some_and(|aggregate| {
        let mut values = aggregate.array().iter().chain(aggregate.pairs().map(|(_, value)| value));
        values.any(|value| value.is_nil() || has_nil(value))
    })
}

/// What comes back of a value without nils: the same, but that an empty container is a list and that int
/// keys that go on from the list belong to it.
fn normal(value: &Value) -> Value {
    let Some(aggregate) = value.as_aggregate() else { return value.clone() };
    let mut array: Vec<Value> = aggregate.array().iter().map(normal).collect();
    let mut pairs: Vec<_> =
        aggregate.pairs().map(|(key, value)| (key.clone(), normal(value))).collect();
    while let Some(at) =
        pairs.iter().position(|(key, _)| key.as_int() == Some(array.len() as i64 + 1))
    {
        array.push(pairs.remove(at).1);
    }
    let kind = match (array.is_empty(), pairs.is_empty()) {
        (_, true) => Kind::List,
        (true, false) => Kind::Map,
        (false, false) => Kind::Both,
    };
    table(kind, array, pairs)
}

// C-007, C-046 to C-055, C-063: whatever the value is, Lua gives it back.
#[test]
fn any_value_comes_back_from_lua_unchanged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let broker = builder().build().unwrap();
    let context = runtime.block_on(context(&broker));
    let config =
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in value())| {
        let call = context.call::<Value>("identity", (value.clone(),));
        let back = runtime.block_on(within(call)).unwrap();
        prop_assert_eq!(flat(&back), flat(&value));
        // A list with a hole has several ends in Lua, and so has what `{4: .., 6: ..}` makes of one.
        if !has_nil(&value) && !has_nil(&back) {
            prop_assert_eq!(&back, &normal(&value));
        }
        let call = context.call::<Value>("identity", (back.clone(),));
        let again = runtime.block_on(within(call)).unwrap();
        prop_assert_eq!(flat(&again), flat(&back));
        if !has_nil(&back) {
            prop_assert_eq!(again, back);
        }
    });
}

/// The text of what a script catches from `source`: kind, message, payload.
async fn caught(context: &Context, source: &str) -> String {
    let source = format!(
        "local ok, e = pcall(function() {source} end)
         assert(not ok)
         return tostring(e.kind) .. '|' .. tostring(e.message) .. '|' .. see(e.payload)"
    );
    within(context.eval::<String>(&source)).await.unwrap()
}

// C-079, C-128 to C-131: an error of any kind is the script's own, catchable, and says what it is.
#[tokio::test]
async fn errors_of_every_kind_are_catchable_and_tell_kind_and_message() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    for kind in ErrorKind::ALL {
        for native in ["fail", "fail_later"] {
            let source = format!("{native}('{kind}', 'what went wrong')");
            assert_eq!(caught(&context, &source).await, format!("{kind}|what went wrong|nil:nil"));
            let error = eval(&context, &source).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (*kind, "what went wrong"));
        }
    }
    let text = |source: &'static str| {
        let context = context.clone();
        async move { within(context.eval::<String>(source)).await.unwrap() }
    };
    let e = "local _, e = pcall(fail, 'busy', 'full') return ";
    for (expression, wanted) in [
        ("tostring(e)", "busy: full"),
        ("e .. '!'", "busy: full!"),
        ("'>' .. e", ">busy: full"),
        ("'>' .. e .. '<'", ">busy: full<"),
        ("e .. e", "busy: fullbusy: full"),
        ("e .. 1", "busy: full1"),
        ("('%s'):format(e)", "busy: full"),
        ("type(e)", "userdata"),
        ("tostring(e.nothing)", "nil"),
        ("tostring(e[1])", "nil"),
        ("tostring(e[nil])", "nil"),
        ("type(e.trace)", "table"),
        ("tostring(select(2, pcall(fail, 'raised', 'plain')))", "plain"),
        ("tostring(pcall(function() e.kind = 'other' end))", "false"),
        ("tostring(pcall(function() return #e end))", "false"),
        ("tostring(pcall(function() return e() end))", "false"),
        ("tostring(pcall(function() for _ in pairs(e) do end end))", "false"),
        ("tostring(getmetatable(e))", "false"),
        ("tostring(pcall(setmetatable, e, {}))", "false"),
        ("tostring(e == select(2, pcall(error, e)))", "true"),
        ("select(2, xpcall(fail, function(m) return m.kind .. m.message end, 'io', 'x'))", "iox"),
    ] {
        let source = Box::leak(format!("{e}{expression}").into_boxed_str());
        assert_eq!(text(source).await, wanted, "of {expression}");
    }
}

// C-079, C-129: whatever a script raises reaches Rust with a text.
#[tokio::test]
async fn whatever_a_script_raises_has_a_text() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    let point = || map([("x", Value::Int(1)), ("message", "from the table".into())]);
    for (source, message, payload) in [
        ("error('text', 0)", "text", Value::Nil),
        ("error('text')", "eval:1: text", Value::Nil),
        ("error('text', 2)", "text", Value::Nil),
        ("error()", "nil", Value::Nil),
        ("error(nil)", "nil", Value::Nil),
        ("error(42)", "42", Value::Int(42)),
        ("error(1.5)", "1.5", Value::Real(1.5)),
        ("error(true)", "true", Value::Bool(true)),
        ("error('')", "eval:1: ", Value::Nil),
        ("error('a\\0b', 0)", "a\0b", Value::Nil),
        ("error('\\xff', 0)", "\u{fffd}", Value::Nil),
        ("error({x = 1, message = 'from the table'})", "from the table", point()),
        (
            "error(setmetatable({}, {__tostring = function() return 'by tostring' end}))",
            "by tostring",
            Value::from(Aggregate::new()),
        ),
        (
            "error(setmetatable({}, {__tostring = function() return later('waited') end}))",
            "waited",
            Value::from(Aggregate::new()),
        ),
        (
            "error(setmetatable({}, {__tostring = function() error('worse') end}))",
            "(error object is a table value)",
            Value::from(Aggregate::new()),
        ),
        (
            "error(setmetatable({}, {__tostring = function() return 5 end}))",
            "5",
            Value::from(Aggregate::new()),
        ),
        ("error({coroutine.create(print)})", "(error object is a table value)", Value::Nil),
        ("error(coroutine.create(print))", "(error object is a thread value)", Value::Nil),
        ("local t = {message = 'loop'} t.t = t error(t)", "", Value::Nil),
        ("local x = nil + 1", "eval:1: attempt to perform arithmetic on a nil value", Value::Nil),
        ("undefined()", "eval:1: attempt to call a nil value (global 'undefined')", Value::Nil),
        ("assert(false, 'asserted')", "eval:1: asserted", Value::Nil),
        ("assert(nil)", "eval:1: assertion failed!", Value::Nil),
        ("assert(false, {x = 1, message = 'from the table'})", "from the table", point()),
        (
            "coroutine.wrap(function() error('in a coroutine', 0) end)()",
            "eval:1: in a coroutine",
            Value::Nil,
        ),
    ] {
        let error = eval(&context, source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Raised, "{error} of {source}");
        assert!(error.message().starts_with(message), "{error} of {source}");
        assert_eq!(error.payload(), &payload, "of {source}");
    }
    // A function in an error crosses like any other.
    let error = eval(&context, "error({f = function() return 'called' end})").await.unwrap_err();
    let f: Function = error
        .payload()
        .as_aggregate()
        .unwrap()
        .get_str("f")
        .unwrap()
        .as_function()
        .unwrap()
        .clone();
    drop(error);
    assert_eq!(within(f.call::<String>(())).await.unwrap(), "called");
}

// C-128, C-129: what one script raises, another catches, with the payload; rethrown it stays the same.
#[tokio::test]
async fn errors_cross_contexts_unchanged_and_gain_frames() {
    for worker in [0, 1] {
        let broker = builder().workers(2).build().unwrap();
        let open = async |name: &str, worker, source: &str| {
            let context = broker.open("lua").name(name).worker(worker).await.unwrap();
            within(context.eval_as::<()>(&format!("{name}.lua"), source)).await.unwrap();
            context
        };
        let source = "expose('raise', function(x)\n  error(x, 0)\nend)
                      expose('refuse', function()\n fail('denied', 'no')\nend)";
        let _inner = open("inner", 0, source).await;
        let source = "expose('pass', function(x)\n\n  return raise(x)\nend)
                      expose('rethrow', function()
                        local ok, e = pcall(refuse)
                        error(e)
                      end)
                      expose('wrap', function()
                        local ok, e = pcall(refuse)
                        error({message = 'wrapped: ' .. e.message, kind = e.kind, cause = e})
                      end)";
        let outer = open("outer", worker, source).await;
        outer.eval::<()>(SEE).await.unwrap();
        assert_eq!(
            caught(&outer, "raise({code = 7})").await.split('|').next_back().unwrap(),
            "{;string:\"code\"=integer:7}"
        );
        // The trace: in call order, with scripts and lines, through both contexts.
        let error = within(outer.call::<()>("pass", ("m",))).await.unwrap_err();
        let trace: Vec<_> = error.trace().iter().map(ToString::to_string).collect();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "m"));
        let line = |frame: &str, place: &str| {
            frame.starts_with(place) || panic!("{frame} is not at {place}")
        };
        assert_eq!(trace.len(), 2, "{trace:?}");
        assert!(line(&trace[0], "lua outer.lua:3") && line(&trace[1], "lua inner.lua:2"));
        assert_eq!(error.trace()[1].script, "inner.lua");
        assert_eq!(error.trace()[1].line, Some(2));
        // Rethrown: kind and message stay, frames are added in front, the native is last.
        let error = within(outer.call::<()>("rethrow", ())).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Denied, "no"));
        let trace: Vec<_> = error.trace().iter().map(ToString::to_string).collect();
        assert_eq!(trace.len(), 3, "{trace:?}");
        assert!(line(&trace[0], "lua outer.lua:7") && line(&trace[1], "lua inner.lua:5"));
        assert_eq!(trace[2], "native fail");
        // An error in a payload is data: what it was can be read.
        let error = within(outer.call::<()>("wrap", ())).await.unwrap_err();
        assert_eq!(error.message(), "wrapped: no");
        let cause = error.payload().as_aggregate().unwrap().get_str("cause").unwrap().clone();
        assert_eq!(cause, map([("kind", "denied".into()), ("message", "no".into())]));
        // Also as an argument, a result and exported data.
        let source = "local _, e = pcall(refuse) expose('last_error', e) return id(e)";
        assert_eq!(eval(&outer, source).await.unwrap(), cause);
        assert_eq!(broker.export("last_error").unwrap(), cause);
    }
}

// C-079: frames name functions and lines; the trace that a script reads is the same.
#[tokio::test]
async fn the_trace_names_functions_scripts_and_lines() {
    let broker = builder().build().unwrap();
    let context = broker.open("lua").await.unwrap();
    let source = "local function inner(x)\n  fail('io', 'disk')\nend\n\
                  function middle(x)\n  inner(x)\n  return 1\nend\n\
                  expose('outer', function(x)\n  middle(x)\n  return 2\nend)";
    within(context.eval_as::<()>("lib/trace.lua", source)).await.unwrap();
    let error = within(context.call::<()>("outer", ())).await.unwrap_err();
    let trace: Vec<_> = error.trace().iter().map(ToString::to_string).collect();
    let wanted = [
        "lua lib/trace.lua:9",
        "lua lib/trace.lua:5 in middle",
        "lua lib/trace.lua:2 in inner",
        "native fail",
    ];
    assert_eq!(trace, wanted);
    // Through a second call of the same context, a script reads the frames below.
    let source = "local ok, e = pcall(call, 'outer') return table.concat(e.trace, ', ')";
    assert_eq!(within(context.eval::<String>(source)).await.unwrap(), wanted.join(", "));
    // A syntax error has the place that it is about.
    let error =
        within(context.eval_as::<()>("bad.lua", "local x = 1\nlocal = 2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    assert!(error.message().starts_with("bad.lua:2: "), "{error}");
    assert_eq!(error.trace()[0].to_string(), "lua bad.lua:2");
    // A very deep stack gives a bounded trace.
    let source =
        "local function f(n) if n == 0 then error('x') end return 1 + f(n - 1) end f(5000)";
    let error = eval(&context, source).await.unwrap_err();
    assert!((1..=64).contains(&error.trace().len()), "{}", error.trace().len());
}

// C-128, C-207: failing natives in a row, of every form, each with its own message.
#[tokio::test]
async fn a_hundred_natives_fail_each_in_its_own_way() {
    let mut all = builder();
    for n in 0..100 {
        let kind = ErrorKind::ALL[n % ErrorKind::ALL.len()];
        let name = format!("native{n}");
        let fail = move || -> Result<i64> {
            Err(Error::new(kind, format!("failure {n}")).with_payload(Value::Int(n as i64)))
        };
        all = match n % 3 {
            0 => all.native(&name, fail),
            1 => all.native_async(&name, move || async move {
                tokio::task::yield_now().await;
                fail()
            }),
            _ => all.native_blocking(&name, fail),
        };
    }
    let broker = all.build().unwrap();
    let context = context(&broker).await;
    let source = "local seen = {}
        for n = 0, 99 do
          local ok, e = pcall(_G['native' .. n])
          assert(not ok and e.payload == n and e.message == 'failure ' .. n, tostring(e))
          seen[#seen + 1] = e.kind
        end
        return seen";
    let kinds: Vec<String> = within(context.eval(source)).await.unwrap();
    let wanted: Vec<_> =
        (0..100).map(|n| ErrorKind::ALL[n % ErrorKind::ALL.len()].as_str()).collect();
    assert_eq!(kinds, wanted);
    for n in [0, 1, 2] {
        let error = eval(&context, &format!("native{n}()")).await.unwrap_err();
        assert_eq!(error.trace().last().unwrap().to_string(), format!("native native{n}"));
    }
}

// C-103: failing calls leave nothing behind, in either direction.
#[tokio::test]
async fn a_hundred_thousand_failing_calls_leave_the_memory_flat() {
    let broker = builder().build().unwrap();
    let context = context(&broker).await;
    let source = "expose('natives_fail', function(n)
                    for i = 1, n do
                      local ok, e = pcall(fail, 'raised', 'failure')
                      assert(not ok and e.message == 'failure')
                    end
                  end)
                  expose('i_fail', function(i) error({i = i, f = function() return i end}) end)
                  expose('wrong_type', function() apply(1) end)
                  expose('unrepresentable', function() return coroutine.create(print) end)";
    within(context.eval::<()>(source)).await.unwrap();
    let round = async |calls: usize| {
        within(context.call::<()>("natives_fail", (calls,))).await.unwrap();
        for i in 0..calls / 20 {
            let name = ["i_fail", "wrong_type", "unrepresentable"][i % 3];
            assert!(
                within(context.call::<()>(name, (i,)).fidelity(Fidelity::Strict)).await.is_err()
            );
        }
        within(context.eval::<()>("local t for i = 1, 50000 do t = {} end")).await.unwrap();
        context.usage().await.unwrap()
    };
    let before = round(10_000).await;
    let mut after = before;
    for _ in 0..9 {
        after = round(10_000).await;
    }
    assert_eq!(after.handles, before.handles);
    assert_eq!(after.calls, 0);
    let grown = after.memory_bytes.saturating_sub(before.memory_bytes);
    assert!(grown < 1 << 20, "grown by {grown} bytes from {}", before.memory_bytes);
}
