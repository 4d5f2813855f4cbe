//! What holds for whatever a script or a host comes up with.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e300..1e300).prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Any real, with those at the edges often.
fn real() -> impl Strategy<Value = f64> {
    let edges = vec![0.0, -0.0, 1.0, 0.5, i64::MIN as f64, i64::MAX as f64, 1e300, f64::INFINITY];
    prop_oneof![any::<f64>(), any::<i64>().prop_map(|i| i as f64), prop::sample::select(edges)]
}

proptest! {
    #[test]
    fn data_comes_back_from_a_value(data in json()) {
        let value = to_value(&data).unwrap();
        prop_assert_eq!(&from_value::<Json>(value.clone()).unwrap(), &data);
        prop_assert_eq!(&serde_json::from_value::<Value>(data.clone()).unwrap(), &value);
        prop_assert_eq!(&serde_json::to_value(&value).unwrap(), &data);
        prop_assert_eq!(to_value(&value).unwrap(), value.clone());
        prop_assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    }

    // C-021, C-065
    #[test]
    fn reals_are_equal_keys_exactly_if_they_are_equal(a in real(), b in real()) {
        prop_assume!(!a.is_nan() && !b.is_nan());
        let (key_a, key_b) = (Key::real(a).unwrap(), Key::real(b).unwrap());
        prop_assert_eq!(key_a == key_b, a == b);
        let mut map = Aggregate::new();
        map.insert(key_a, 1);
        prop_assert_eq!(map.insert(key_b, 2).is_some(), a == b);
    }

    // C-021, C-065
    #[test]
    fn a_real_is_the_key_of_the_int_that_it_counts(real in real(), int in any::<i64>()) {
        prop_assume!(!real.is_nan());
        match Key::real(real).unwrap() {
            Key::Int(key) => prop_assert_eq!(i128::from(key), real as i128),
            Key::Real(key) => {
                prop_assert_eq!(key.get(), real);
                let fits = real.fract() == 0.0 && i64::try_from(real as i128).is_ok();
                prop_assert!(!fits);
            }
            Key::String(_) => prop_assert!(false),
        }
        let exact = (int >> 11) << 11;
        prop_assert_eq!(Key::real(exact as f64).unwrap(), Key::Int(exact));
    }

    // C-043
    #[test]
    fn equality_agrees_with_that_of_the_data(a in json(), b in json()) {
        let (x, y) = (to_value(&a).unwrap(), to_value(&b).unwrap());
        prop_assert_eq!(&x, &x.clone());
        prop_assert_eq!(x == y, a == b);
    }
}
