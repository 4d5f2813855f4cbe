//! Values that a script has nested or shared without measure.

use super::*;
use std::{collections::BTreeMap, thread};

const MILLION: usize = 1_000_000;

/// Runs `test` where a recursion of a million calls would overflow the stack for certain.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap().join().unwrap();
}

/// A map in a list in a map and so on, with `core` in the middle.
fn mixed(depth: usize, core: Value) -> Value {
    (0..depth).fold(core, |inner, level| match level % 3 {
        0 => Value::list([Value::from(1), inner]),
        1 => Value::map([("k", inner)]),
        _ => {
            let mut both = Aggregate::new();
            both.push(1);
            both.insert("k", inner);
            both.into()
        }
    })
}

#[test]
fn a_million_deep_value_can_be_dropped() {
    // C-040, C-060, C-061
    on_a_small_stack(|| {
        drop(mixed(MILLION, Value::Nil));
        drop(vec![nested(MILLION), nested(3)]);
        let Value::Aggregate(aggregate) = nested(MILLION) else { panic!() };
        drop(Arc::into_inner(aggregate).unwrap().into_parts());
    });
}

#[test]
fn a_million_deep_value_can_be_cloned_compared_and_measured() {
    // C-039, C-043, C-060, C-061
    on_a_small_stack(|| {
        let deep = |core: i64| (0..MILLION).fold(core.into(), |inner, _| Value::list([inner]));
        let value: Value = deep(1);
        assert_eq!(value.depth(), MILLION);
        assert_eq!(value.size_bytes(), 32 * (MILLION + 1));
        assert!(value.clone() == value);
        assert!(value == deep(1));
        assert!(value != deep(2));
        assert!(format!("{value:?}").len() < 1000);
    });
}

#[test]
fn a_million_deep_value_is_refused_by_serde() {
    // C-060, C-061
    on_a_small_stack(|| {
        let value = nested(MILLION);
        assert_eq!(to_value(&value).unwrap_err().kind(), ErrorKind::Range);
        assert!(serde_json::to_string(&value).is_err());
        let error = from_value::<Value>(value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Range);
    });
}

#[test]
fn a_deep_value_is_released_whichever_owner_is_last() {
    // C-025, C-040
    on_a_small_stack(|| {
        for _ in 0..20 {
            let owner = Arc::new(FakeOwner::default());
            let core = Value::from(Function::new(owner.clone(), 1));
            let value = mixed(10_000, core);
            let threads: Vec<_> = (0..4).map(|_| value.clone()).collect();
            drop(value);
            let threads = threads.into_iter().map(|value| {
                thread::Builder::new().stack_size(64 << 10).spawn(move || drop(value)).unwrap()
            });
            threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(*owner.released.lock().unwrap(), [1]);
        }
    });
}

#[test]
fn the_cap_is_exact() {
    // C-057, C-061
    for cap in [0, 1, 64] {
        for (depth, good) in [(cap.max(1) - 1, true), (cap, true), (cap + 1, false)] {
            let result = mixed(depth, Value::Nil).check_depth(cap);
            assert_eq!(result.is_ok(), good, "{depth} of {cap}");
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::Range);
                assert_eq!(error.message(), format!("nested deeper than {cap}"));
            }
        }
    }
}

#[test]
fn depth_is_that_of_the_deepest_part() {
    // C-057
    assert_eq!(Value::from("x").depth(), 0);
    assert_eq!(Value::from(Aggregate::new()).depth(), 1);
    assert_eq!(Value::list([nested(1), nested(5), nested(2)]).depth(), 6);
    assert_eq!(Value::map([("a", nested(3)), ("b", Value::Nil)]).depth(), 4);
}

/// A value of `depth` levels, each of which holds the one below twice: 2^depth paths.
fn doubled(depth: usize, core: Value) -> Value {
    (0..depth).fold(core, |inner, _| Value::list([inner.clone(), inner]))
}

#[test]
fn shared_parts_are_walked_once() {
    // C-058, C-060: sharing is no cycle, and costs no more than it takes.
    let (a, b) = (doubled(60, Value::Int(1)), doubled(60, Value::Int(1)));
    assert_eq!(a.depth(), 60);
    assert_eq!(doubled(40, Value::Nil).size_bytes(), 32 * ((1 << 41) - 1));
    assert_eq!(doubled(70, Value::Nil).size_bytes(), usize::MAX);
    assert!(a == b);
    assert!(a != doubled(60, Value::Int(2)));
    assert!(from_value::<BTreeMap<String, i64>>(a).is_err());
}

#[test]
fn shared_parts_are_compared_once_even_if_only_one_side_shares_them() {
    // C-060: the levels of the two values are shared in turns, so no two shared ones ever meet.
    let wrap = |inner: &Value| Value::list([inner.clone()]);
    let mut a = Value::list([1]);
    let mut b = Value::list([1]);
    for _ in 0..30 {
        a = Value::list([wrap(&a), wrap(&a)]);
        let inner = wrap(&b);
        b = Value::list([inner.clone(), inner]);
    }
    assert!(a == b);
}
