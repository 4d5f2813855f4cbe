//! The keys of pairs: one form for each.

use super::*;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

#[test]
fn an_integral_real_is_the_int_key() {
    // C-021, C-065
    assert_eq!(Key::real(1.0).unwrap(), Key::Int(1));
    assert_eq!(Key::real(-3.0).unwrap(), Key::Int(-3));
    assert_eq!(Key::real(0.0).unwrap(), Key::Int(0));
    assert_eq!(Key::real(-0.0).unwrap(), Key::Int(0));
    assert_eq!(Key::real(i64::MIN as f64).unwrap(), Key::Int(i64::MIN));
    assert_eq!(Key::real(2_f64.powi(62)).unwrap(), Key::Int(1 << 62));
}

#[test]
fn what_no_int_is_stays_a_real() {
    // C-021, C-065
    let two_to_63 = 2_f64.powi(63);
    let below_min = (i64::MIN as f64).next_down();
    for real in [0.5, -1.5, 5e-324, 1e300, f64::INFINITY, -f64::INFINITY, two_to_63, below_min] {
        let key = Key::real(real).unwrap();
        assert!(matches!(key, Key::Real(inner) if inner.get() == real), "{real}");
        assert_eq!(key, Key::real(real).unwrap());
        assert_eq!(Value::from(key), Value::Real(real));
    }
    assert_ne!(Key::real(f64::INFINITY).unwrap(), Key::real(-f64::INFINITY).unwrap());
}

#[test]
fn nan_is_no_key() {
    // C-021
    is(Key::real(f64::NAN), ErrorKind::Range, "NaN cannot be a key");
    is(Key::try_from(Value::Real(-f64::NAN)), ErrorKind::Range, "NaN cannot be a key");
}

#[test]
fn only_ints_reals_and_strings_are_keys() {
    // C-020, C-063
    assert_eq!(Key::try_from(Value::Real(2.0)).unwrap(), Key::Int(2));
    assert_eq!(Key::try_from(Value::from("2")).unwrap(), Key::from("2"));
    let bytes = Bytes::from_static(b"\xff\0");
    let key = Key::String(bytes.clone());
    assert_eq!(Key::try_from(Value::Bytes(bytes.clone())).unwrap(), key);
    assert_eq!(Key::try_from(Value::String(bytes)).unwrap(), key);
    for (value, name) in [
        (Value::Nil, "nil"),
        (true.into(), "bool"),
        (Value::list([1]), "list"),
        (Aggregate::with_kind(Kind::Map).into(), "map"),
        (function(1).into(), "function"),
    ] {
        let message = format!("a key is an int, a real or a string, not {name}");
        is(Key::try_from(value), ErrorKind::Unrepresentable, &message);
    }
}

#[test]
fn keys_are_told_apart_by_type_and_content() {
    // C-021
    let keys = [
        Key::Int(-1),
        Key::Int(1),
        Key::real(0.5).unwrap(),
        Key::real(1.5).unwrap(),
        Key::from("1"),
        Key::from("a"),
    ];
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    assert!(keys.is_sorted_by(|a, b| a < b));
    assert_eq!(keys[4].as_str(), Some("1"));
    assert_eq!((keys[1].as_int(), keys[4].as_int()), (Some(1), None));
    assert_eq!(Key::from(String::from("a")), Key::from(Bytes::from_static(b"a")));
}

#[test]
fn borrowed_text_hashes_like_the_key() {
    let hashes = RandomState::new();
    for text in ["", "a", "a longer key than fits any small string"] {
        let borrowed = crate::value::key::Text(text.as_bytes());
        assert_eq!(hashes.hash_one(borrowed), hashes.hash_one(Key::from(text)));
    }
}

#[test]
fn keys_read_well_in_a_path() {
    for (key, segment) in [
        (Key::from("name"), ".name"),
        (Key::from("größe_2"), ".größe_2"),
        (Key::from("odd name"), r#"["odd name"]"#),
        (Key::from("a.b"), r#"["a.b"]"#),
        (Key::from(""), r#"[""]"#),
        (Key::from(Bytes::from_static(b"\xff")), r#"["\xff"]"#),
        (Key::from(3), "[3]"),
        (Key::real(0.5).unwrap(), "[0.5]"),
    ] {
        assert_eq!(key.segment(), segment);
    }
}
