//! From Rust's types to values and arguments.

use super::*;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

#[track_caller]
fn becomes(from: impl IntoValue, value: impl Into<Value>) {
    assert_eq!(from.into_value().unwrap(), value.into());
}

#[test]
fn plain_types_become_values() {
    // C-010, C-011, C-014
    becomes(true, true);
    becomes(-5_i8, -5);
    becomes(u32::MAX, 4_294_967_295_i64);
    becomes(i64::MIN, i64::MIN);
    becomes(7_u64, 7);
    becomes(7_u128, 7);
    becomes(-7_i128, -7);
    becomes(7_usize, 7);
    becomes(-7_isize, -7);
    becomes(0.5_f32, 0.5);
    becomes(f64::INFINITY, f64::INFINITY);
    becomes("text", "text");
    becomes(String::from("text"), "text");
    let owned = String::from("text");
    becomes(&owned, owned.as_str());
    becomes(Cow::from("text"), "text");
    becomes('ä', "ä");
    becomes(Bytes::from_static(b"\xff"), Value::Bytes(Bytes::from_static(b"\xff")));
    becomes(Bytes::from_static(b"text"), Value::Bytes(Bytes::from_static(b"text")));
    becomes((), Value::Nil);
    becomes(None::<i64>, Value::Nil);
    becomes(Some(1), 1);
    becomes(Key::from("k"), "k");
    becomes(Key::real(0.5).unwrap(), 0.5);
    becomes(Value::Nil, Value::Nil);
    let handle = function(1);
    becomes(handle.clone(), handle);
}

#[test]
fn containers_become_lists_and_maps() {
    // C-017, C-020, C-051, C-052
    becomes(vec![1, 2], Value::list([1, 2]));
    becomes([1, 2], Value::list([1, 2]));
    becomes(&[1, 2][..], Value::list([1, 2]));
    let owned = vec![1, 2];
    becomes(&owned, Value::list(owned.clone()));
    becomes(Vec::<i64>::new(), Aggregate::new());
    becomes(vec![vec![1], vec![]], Value::list([Value::list([1]), Aggregate::new().into()]));
    becomes(BTreeMap::from([("a", 1)]), Value::map([("a", 1)]));
    becomes(HashMap::from([(7_i64, "x")]), Value::map([(7, "x")]));
    becomes(BTreeMap::from([(Key::Int(1), 1.5)]), Value::map([(1, 1.5)]));
    becomes(HashMap::<String, i64>::new(), Aggregate::with_kind(Kind::Map));
    becomes(Aggregate::new(), Aggregate::new());
    becomes(Arc::new(Aggregate::with_kind(Kind::Both)), Aggregate::with_kind(Kind::Both));
}

#[test]
fn results_become_their_value_or_their_error() {
    // C-128, C-131
    becomes(Ok::<_, Error>(1), 1);
    becomes(Ok::<_, String>(Some(1)), 1);
    is(Err::<i64, _>("boom").into_value(), ErrorKind::Raised, "boom");
    let error = Error::new(ErrorKind::Busy, "later");
    is(Err::<(), _>(error).into_value(), ErrorKind::Busy, "later");
}

#[test]
fn wide_integers_are_checked() {
    // C-010, C-131
    becomes(i64::MAX as u64, i64::MAX);
    let text = "9223372036854775808 is out of range for int";
    is((1_u64 << 63).into_value(), ErrorKind::Range, text);
    is((1_u128 << 63).into_value(), ErrorKind::Range, text);
    becomes(i128::from(i64::MIN), i64::MIN);
    let text = "-9223372036854775809 is out of range for int";
    is((i128::from(i64::MIN) - 1).into_value(), ErrorKind::Range, text);
}

#[test]
fn errors_name_the_place() {
    // C-063, C-131
    let text = |path: &str| format!("{path}: 18446744073709551615 is out of range for int");
    let bad = u64::MAX;
    is(vec![0, bad].into_value(), ErrorKind::Range, &text("[2]"));
    is(BTreeMap::from([("k", vec![bad])]).into_value(), ErrorKind::Range, &text("k[1]"));
    is([BTreeMap::from([(5, bad)])].into_value(), ErrorKind::Range, &text("[1][5]"));
    is([BTreeMap::from([("a b", bad)])].into_value(), ErrorKind::Range, &text(r#"[1]["a b"]"#));
    let args = ("fine", BTreeMap::from([("id", bad)]));
    is(args.into_args(), ErrorKind::Range, &text("args[2].id"));
    is((bad,).into_args(), ErrorKind::Range, &text("args[1]"));
}

#[test]
fn arguments_come_in_tuples_vectors_and_arrays() {
    let ints = |to: i64| (1..=to).map(Value::Int).collect::<Vec<_>>();
    assert_eq!(().into_args().unwrap(), []);
    assert_eq!((1,).into_args().unwrap(), ints(1));
    assert_eq!((1, 2).into_args().unwrap(), ints(2));
    assert_eq!((1, 2, 3, 4).into_args().unwrap(), ints(4));
    assert_eq!((1, 2, 3, 4, 5, 6, 7, 8).into_args().unwrap(), ints(8));
    assert_eq!(ints(20).into_args().unwrap(), ints(20));
    assert_eq!([Value::Int(1)].into_args().unwrap(), ints(1));
    let mixed = ("a", 1.5, vec![true], None::<i64>).into_args().unwrap();
    assert_eq!(mixed, ["a".into(), 1.5.into(), Value::list([true]), Value::Nil]);
}

#[test]
fn the_rest_is_a_vector() {
    let mut rest = Rest(vec![1, 2]);
    rest.push(3);
    assert_eq!(rest.len(), 3);
    assert_eq!(rest.into_iter().sum::<i32>(), 6);
}
