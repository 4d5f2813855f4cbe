//! From values to Rust's types: nothing is lost silently.

use super::*;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

fn from<T: FromValue>(value: impl Into<Value>) -> Result<T> {
    T::from_value(value.into())
}

#[test]
fn plain_values_become_plain_types() {
    assert!(from::<bool>(true).unwrap());
    assert_eq!(from::<i64>(i64::MIN).unwrap(), i64::MIN);
    assert_eq!(from::<u8>(255).unwrap(), 255);
    assert_eq!(from::<u64>(i64::MAX).unwrap(), i64::MAX as u64);
    assert_eq!(from::<f64>(0.5).unwrap(), 0.5);
    assert_eq!(from::<f32>(0.1).unwrap(), 0.1);
    assert_eq!(from::<String>("text").unwrap(), "text");
    assert_eq!(from::<Cow<'static, str>>("text").unwrap(), "text");
    assert_eq!(from::<char>("ä").unwrap(), 'ä');
    assert_eq!(from::<Bytes>(Bytes::from_static(b"\0\xff")).unwrap(), &b"\0\xff"[..]);
    assert_eq!(from::<Bytes>("text").unwrap(), "text");
    assert_eq!(from::<Bytes>(Value::String(Bytes::from_static(b"\xff"))).unwrap(), &b"\xff"[..]);
    assert_eq!(from::<String>(Bytes::from_static(b"text")).unwrap(), "text");
    assert_eq!(from::<char>(Bytes::from_static(b"t")).unwrap(), 't');
    assert_eq!(from::<Key>(Bytes::from_static(b"k")).unwrap(), Key::from("k"));
    assert_eq!(from::<Option<i64>>(1).unwrap(), Some(1));
    assert_eq!(from::<Option<i64>>(Value::Nil).unwrap(), None);
    assert_eq!(from::<Key>(2.0).unwrap(), Key::Int(2));
    assert_eq!(from::<Function>(function(4)).unwrap().key(), 4);
    assert_eq!(from::<Value>(Value::list([1])).unwrap(), Value::list([1]));
    assert_eq!(from::<Aggregate>(Value::list([1])).unwrap().len(), 1);
    assert_eq!(from::<Arc<Aggregate>>(Value::map([(1, 1)])).unwrap().kind(), Kind::Map);
    from::<()>(Value::Nil).unwrap();
}

#[test]
fn another_type_is_a_type_error() {
    // C-131, C-132
    let text = |expected: &str, got: &str| format!("expected {expected}, got {got}");
    is(from::<String>(1), ErrorKind::Type, &text("string", "int"));
    is(from::<Bytes>(Value::Nil), ErrorKind::Type, &text("string", "nil"));
    is(from::<i64>("1"), ErrorKind::Type, &text("int", "string"));
    is(from::<i64>(true), ErrorKind::Type, &text("int", "bool"));
    is(from::<i64>(Bytes::from_static(b"1")), ErrorKind::Type, &text("int", "bytes"));
    is(from::<f64>(Bytes::new()), ErrorKind::Type, &text("real", "bytes"));
    is(from::<Vec<u8>>(Bytes::new()), ErrorKind::Type, &text("list", "bytes"));
    is(from::<f64>("1"), ErrorKind::Type, &text("real", "string"));
    is(from::<bool>(1), ErrorKind::Type, &text("bool", "int"));
    is(from::<()>(false), ErrorKind::Type, &text("nil", "bool"));
    is(from::<Function>("f"), ErrorKind::Type, &text("function", "string"));
    is(from::<Aggregate>(1), ErrorKind::Type, &text("list or map", "int"));
    is(from::<Vec<i64>>(1.5), ErrorKind::Type, &text("list", "real"));
    is(from::<HashMap<String, i64>>(Value::Nil), ErrorKind::Type, &text("map", "nil"));
    is(from::<String>(Value::list([1])), ErrorKind::Type, &text("string", "list"));
    is(from::<String>(Value::map([(1, 1)])), ErrorKind::Type, &text("string", "map"));
    is(from::<Key>(true), ErrorKind::Type, &text("int, real or string", "bool"));
    is(from::<Option<i64>>(true), ErrorKind::Type, &text("int", "bool"));
    is(from::<char>("ab"), ErrorKind::Type, "expected one character, got 2");
    is(from::<char>(""), ErrorKind::Type, "expected one character, got 0");
}

#[test]
fn narrower_integers_are_checked() {
    // C-131
    is(from::<u8>(256), ErrorKind::Range, "256 is out of range for u8");
    is(from::<u8>(-1), ErrorKind::Range, "-1 is out of range for u8");
    is(from::<i8>(-129), ErrorKind::Range, "-129 is out of range for i8");
    is(from::<u64>(-1), ErrorKind::Range, "-1 is out of range for u64");
    is(from::<i32>(1_i64 << 31), ErrorKind::Range, "2147483648 is out of range for i32");
}

#[test]
fn reals_become_integers_only_if_they_are() {
    // C-048, C-131
    assert_eq!(from::<i64>(3.0).unwrap(), 3);
    assert_eq!(from::<u8>(-0.0).unwrap(), 0);
    assert_eq!(from::<i64>(i64::MIN as f64).unwrap(), i64::MIN);
    assert_eq!(from::<u64>(1e19).unwrap(), 10_000_000_000_000_000_000);
    is(from::<i64>(1.5), ErrorKind::Type, "expected int, got real 1.5");
    is(from::<i64>(f64::NAN), ErrorKind::Type, "expected int, got real NaN");
    is(
        from::<i64>(2_f64.powi(63)),
        ErrorKind::Range,
        "9223372036854775808 is out of range for i64",
    );
    is(from::<i64>(f64::INFINITY), ErrorKind::Range, "inf is out of range for i64");
    is(from::<u128>(1e300), ErrorKind::Range, "1e300 is out of range for u128");
    is(from::<u8>(256.0), ErrorKind::Range, "256 is out of range for u8");
}

#[test]
fn ints_become_floats_only_where_every_int_has_one() {
    // C-047, C-049, C-131
    for (int, good) in [(1_i64 << 53, true), ((1 << 53) + 1, false), (1 << 54, false)] {
        for int in [int, -int] {
            assert_eq!(from::<f64>(int).ok(), good.then_some(int as f64), "{int}");
        }
    }
    is(from::<f64>(i64::MIN), ErrorKind::Range, "-9223372036854775808 is out of range for f64");
    assert_eq!(from::<f32>(1_i64 << 24).unwrap(), 16_777_216.0);
    is(from::<f32>((1_i64 << 24) + 1), ErrorKind::Range, "16777217 is out of range for f32");
    is(from::<f32>(1e39), ErrorKind::Range, "1e39 is out of range for f32");
    assert!(from::<f32>(f64::INFINITY).unwrap().is_infinite());
    assert!(from::<f32>(f64::NAN).unwrap().is_nan());
}

#[test]
fn bytes_are_not_text() {
    // C-011, C-131
    let bytes = Bytes::from_static(b"a\xff");
    let text = "expected text, got bytes that are not UTF-8";
    is(from::<String>(bytes.clone()), ErrorKind::Unrepresentable, text);
    is(from::<String>(Value::String(bytes.clone())), ErrorKind::Unrepresentable, text);
    is(from::<char>(bytes.clone()), ErrorKind::Unrepresentable, text);
    is(
        from::<Vec<String>>(Value::list([bytes])),
        ErrorKind::Unrepresentable,
        &format!("[1]: {text}"),
    );
}

#[test]
fn lists_become_vectors_and_arrays() {
    // C-018, C-051, C-055
    assert_eq!(from::<Vec<i64>>(Value::list([1, 2])).unwrap(), [1, 2]);
    assert_eq!(from::<[i64; 2]>(Value::list([1, 2])).unwrap(), [1, 2]);
    for kind in [Kind::List, Kind::Map, Kind::Both] {
        assert!(from::<Vec<i64>>(Aggregate::with_kind(kind)).unwrap().is_empty());
    }
    let mut both = Aggregate::list(vec![1.into()]);
    both.insert("k", 1);
    is(from::<Vec<i64>>(both), ErrorKind::Type, "expected list, got mix of list and map");
    is(from::<Vec<i64>>(Value::map([(1, 1)])), ErrorKind::Type, "expected list, got map");
    is(from::<[i64; 3]>(Value::list([1])), ErrorKind::Type, "expected a list of 3, got one of 1");
    let shared = Value::list([1]);
    assert_eq!(from::<Vec<i64>>(shared.clone()).unwrap(), [1]);
    assert_eq!(shared, Value::list([1]));
}

#[test]
fn maps_become_maps() {
    // C-020, C-052, C-053, C-055
    let map = Value::map([("a", 1), ("b", 2)]);
    assert_eq!(
        from::<HashMap<String, i64>>(map.clone()).unwrap(),
        HashMap::from([("a".into(), 1), ("b".into(), 2)])
    );
    assert_eq!(from::<BTreeMap<Key, u8>>(map).unwrap().len(), 2);
    assert_eq!(from::<BTreeMap<i64, i64>>(Value::map([(5, 6)])).unwrap()[&5], 6);
    for kind in [Kind::List, Kind::Map, Kind::Both] {
        assert!(from::<BTreeMap<i64, i64>>(Aggregate::with_kind(kind)).unwrap().is_empty());
    }
    is(from::<BTreeMap<i64, i64>>(Value::list([1])), ErrorKind::Type, "expected map, got list");
    let mut both = Aggregate::list(vec!["one".into(), "two".into()]);
    both.insert(7, "seven");
    let names = from::<BTreeMap<i64, String>>(both.clone()).unwrap();
    assert_eq!(
        names,
        BTreeMap::from(
            [1, 2, 7].map(|i| (i, ["", "one", "two", "", "", "", "", "seven"][i as usize].into()))
        )
    );
    both.insert(2, "again");
    is(
        from::<BTreeMap<i64, String>>(both),
        ErrorKind::Unrepresentable,
        "as a map it would have the key 2 twice",
    );
}

#[test]
fn errors_name_the_place() {
    // C-063, C-132
    let deep = Value::map([("items", Value::list([Value::from("x"), 5.into()]))]);
    is(
        from::<BTreeMap<String, Vec<String>>>(deep),
        ErrorKind::Type,
        "items[2]: expected string, got int",
    );
    is(
        from::<Vec<BTreeMap<String, u8>>>(Value::list([Value::map([("a", 300)])])),
        ErrorKind::Range,
        "[1].a: 300 is out of range for u8",
    );
    is(
        from::<BTreeMap<String, i64>>(Value::map([(3, 1)])),
        ErrorKind::Type,
        "[key 3]: expected string, got int",
    );
}

#[test]
fn what_is_missing_is_an_arity_error_unless_nil_will_do() {
    // C-131
    is(i64::missing(), ErrorKind::Arity, "missing");
    is(<()>::missing(), ErrorKind::Arity, "missing");
    is(Vec::<Value>::missing(), ErrorKind::Arity, "missing");
    is(Serde::<i64>::missing(), ErrorKind::Arity, "missing");
    assert_eq!(Option::<i64>::missing().unwrap(), None);
    assert_eq!(Value::missing().unwrap(), Value::Nil);
}
