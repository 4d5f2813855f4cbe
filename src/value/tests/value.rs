//! The types, their equality, and what a value shares and owns.

use super::*;
use std::mem;

#[test]
fn every_type_has_its_name_and_accessor() {
    // C-009, C-014
    let values = [
        (Value::Nil, "nil"),
        (true.into(), "bool"),
        (1.into(), "int"),
        (1.0.into(), "real"),
        ("x".into(), "string"),
        (Bytes::from_static(b"x").into(), "bytes"),
        (Aggregate::new().into(), "aggregate"),
        (function(1).into(), "function"),
    ];
    for (value, name) in &values {
        assert_eq!(value.type_name(), *name);
        assert_eq!(value.is_nil(), *name == "nil");
        assert_eq!(value.as_bool(), (*name == "bool").then_some(true));
        assert_eq!(value.as_int(), (*name == "int").then_some(1));
        assert_eq!(value.as_real(), (*name == "real").then_some(1.0));
        assert_eq!(value.as_str(), (*name == "string").then_some("x"));
        assert_eq!(value.as_bytes().is_some(), ["string", "bytes"].contains(name));
        assert_eq!(value.as_aggregate().is_some(), *name == "aggregate");
        assert_eq!(value.as_function().is_some(), *name == "function");
    }
    assert_eq!(Value::default(), Value::Nil);
    assert_eq!(Value::from(None::<i64>), Value::Nil);
    assert_eq!(Value::from(Some(u32::MAX)), Value::Int(4_294_967_295));
}

#[test]
fn values_go_from_thread_to_thread() {
    fn check<T: Send + Sync + 'static>() {}
    check::<(Value, Aggregate, Key)>();
}

#[test]
fn ints_and_reals_are_distinct() {
    // C-010
    assert_ne!(Value::Int(1), Value::Real(1.0));
    assert_eq!(Value::Int(1).as_real(), None);
    assert_eq!(Value::Real(1.0).as_int(), None);
}

#[test]
fn strings_are_any_bytes() {
    // C-011
    let bytes = Bytes::from_static(b"a\0b\xff\xfe\0");
    let value = Value::String(bytes.clone());
    assert_eq!(value.as_bytes(), Some(&bytes));
    assert_eq!(value.as_str(), None);
    assert_eq!(Value::from("a\0b").as_str(), Some("a\0b"));
}

#[test]
fn bytes_are_a_type_of_their_own_whatever_they_contain() {
    for content in [&b""[..], b"text", b"a\0\xff"] {
        let content = Bytes::from_static(content);
        let value = Value::from(content.clone());
        assert!(matches!(&value, Value::Bytes(bytes) if *bytes == content));
        assert_eq!(value.as_bytes(), Some(&content));
        assert_eq!(value.as_str(), None);
        assert_eq!(value, value.clone());
        assert_ne!(value, Value::String(content.clone()));
        assert_eq!(value.size_bytes(), Value::String(content).size_bytes());
    }
}

// Values are moved about in every call.
#[test]
fn a_value_takes_no_more_than_its_bytes_and_a_word() {
    assert_eq!(size_of::<Value>(), size_of::<Bytes>() + size_of::<usize>());
}

#[test]
fn equality_tells_every_two_values_apart() {
    // C-043
    let different = [
        Value::Nil,
        false.into(),
        true.into(),
        0.into(),
        0.5.into(),
        f64::NAN.into(),
        "".into(),
        "0".into(),
        Value::String(Bytes::from_static(b"\xff")),
        Bytes::new().into(),
        Bytes::from_static(b"0").into(),
        Bytes::from_static(b"\xff").into(),
        Aggregate::new().into(),
        Aggregate::with_kind(Kind::Map).into(),
        Aggregate::with_kind(Kind::Both).into(),
        Value::list([1]),
        Value::list([2]),
        Value::list([1, 1]),
        Value::map([(1, 1)]),
        Value::map([(1, 2)]),
        Value::map([(2, 1)]),
        Value::list([Value::list([1])]),
        function(1).into(),
        everything(function(3)),
    ];
    for (i, a) in different.iter().enumerate() {
        for (j, b) in different.iter().enumerate() {
            assert_eq!(a == b, i == j, "{a:?} and {b:?}");
        }
    }
}

#[test]
fn equality_of_numbers_and_maps_is_as_documented() {
    // C-021, C-043
    assert_eq!(Value::Real(0.0), Value::Real(-0.0));
    assert_eq!(Value::Real(f64::NAN), Value::Real(-f64::NAN));
    assert_eq!(Value::map([("a", 1), ("b", 2)]), Value::map([("b", 2), ("a", 1)]));
    let (one, two) = (Aggregate::list(vec![1.into()]), Aggregate::list(vec![1.into()]));
    assert!(one == two && one != Aggregate::new());
}

#[test]
fn a_clone_is_equal_and_independent() {
    // C-013, C-039, C-042, C-044
    let value = everything(function(3));
    let mut copy = value.clone();
    assert_eq!(copy, value);
    let Value::Aggregate(shared) = &mut copy else { panic!() };
    Arc::make_mut(shared).push(1);
    assert_eq!(value.as_aggregate().unwrap().array().len(), 1);
    assert_eq!(copy.as_aggregate().unwrap().array().len(), 2);
    assert_ne!(copy, value);
}

#[test]
fn a_move_leaves_nil() {
    // C-041
    let mut source = Value::list([1]);
    let moved = mem::take(&mut source);
    assert_eq!((source, moved), (Value::Nil, Value::list([1])));
}

#[test]
fn functions_are_shared_and_released_once() {
    // C-022, C-024, C-025, C-040, C-042
    let owner = Arc::new(FakeOwner::default());
    let value = everything(Function::new(owner.clone(), 9));
    let copies: Vec<_> = (0..3).map(|_| value.clone()).collect();
    let mut unshared = value.as_aggregate().unwrap().clone();
    unshared.push(1);
    drop((value, copies));
    assert!(owner.released.lock().unwrap().is_empty());
    drop(unshared);
    assert_eq!(*owner.released.lock().unwrap(), [9]);
}

#[test]
fn a_function_in_a_value_can_be_called() {
    // C-022
    let value = Value::list([function(5)]);
    let function = value.as_aggregate().unwrap().array()[0].as_function().unwrap();
    let answer = function.call_raw(vec![]).now_or_never().unwrap().unwrap();
    assert_eq!(answer, Value::Int(5));
}

#[test]
fn debug_shows_every_type() {
    assert_eq!(
        format!("{:?}", everything(function(3))),
        r#"[[nil, true, -9223372036854775808, inf]]{"text": "a\x00b\xff", "bytes": b"a\x00b\xff", -1: {"f": Function(7.1#3)}, 0.5: []{}}"#
    );
    assert_eq!(format!("{:?}", Value::from(Bytes::from_static(b"hi"))), r#"b"hi""#);
    assert_eq!(format!("{:?}", Aggregate::with_kind(Kind::Map)), "{}");
}

#[test]
fn debug_is_bounded() {
    // C-060
    let brackets = |depth| ["[".repeat(depth), "]".repeat(depth)];
    let [open, close] = brackets(16);
    assert_eq!(format!("{:?}", nested(16)), format!("{open}nil{close}"));
    assert_eq!(format!("{:?}", nested(17)), format!("{open}…{close}"));
    let doubled = (0..16).fold(Value::Nil, |inner, _| Value::list([inner.clone(), inner]));
    assert!(format!("{doubled:?}").len() < 20_000);
    let long = format!("{:?}", Value::list(0..5000));
    assert!(long.ends_with(", 999, …]"), "{long}");
    let text = format!("{:?}", Value::from("ä".repeat(201)));
    assert_eq!(text, format!("\"{}\"… (402 bytes)", "ä".repeat(200)));
    let bytes = Bytes::from(vec![0xff; 201]);
    let short = format!("\"{}\"… (201 bytes)", "\\xff".repeat(200));
    assert_eq!(format!("{:?}", Value::String(bytes.clone())), short);
    assert_eq!(format!("{:?}", Value::Bytes(bytes)), format!("b{short}"));
}

#[test]
fn sizes_count_strings_and_slots() {
    assert_eq!(Value::Nil.size_bytes(), 32);
    assert_eq!(Value::list([1, 2]).size_bytes(), 3 * 32);
    assert_eq!(Value::map([("key", "value")]).size_bytes(), 3 * 32 + 3 + 5);
    let part = Value::from("x".repeat(1000));
    let list = Value::list([part]);
    assert_eq!(list.size_bytes(), 1064);
    assert_eq!(Value::list([list.clone(), list]).size_bytes(), 32 + 2 * 1064);
}
