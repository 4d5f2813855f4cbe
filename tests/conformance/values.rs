//! Any value that all languages have comes back from each of them as it was.
//!
//! What a language may change is left out here: truth, which is 1 and 0 to some, a real that counts an
//! integer, nil in a list's end or in a map, an empty map, and a list whose keys are written out. Bytes
//! may come back as a string, and what is no text as bytes, but they are the same.

use crate::{cases, run::TIMEOUT};
use calog::{Aggregate, Broker, Key, Value};
use proptest::{collection::vec, prelude::*};

/// From here on, every real is integral, and languages whose only numbers are reals agree that it
/// is one.
const EXACT: i64 = 1 << 53;

fn scalar() -> impl Strategy<Value = Value> {
    let is_real = |real: &f64| real.fract() != 0.0 || real.abs() >= EXACT as f64;
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-10_i64..10).prop_map(Value::from),
        (EXACT - 5..EXACT + 5).prop_map(Value::from),
        any::<f64>().prop_filter("an integer", is_real).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Value::String(bytes.into())),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
        ".{0,20}".prop_map(|text| Value::Bytes(text.into())),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    let is_no_index = |int: &i64| !(1..=1000).contains(int);
    prop_oneof![
        ".{0,10}".prop_map(Key::from),
        "[0-9]{1,3}".prop_map(Key::from),
        (-10_i64..1).prop_map(Key::from),
        any::<i64>().prop_filter("an index", is_no_index).prop_map(Key::from),
        any::<f64>()
            .prop_filter("an integer", |real| real.fract() != 0.0 && !real.is_nan())
            .prop_map(|real| Key::real(real).unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 60, 8, |value| {
        prop_oneof![
            vec(value.clone(), 0..8).prop_map(Value::list),
            vec((".{0,10}", value.clone()), 1..8).prop_map(Value::map),
            vec((key(), value), 1..8).prop_map(Value::map),
        ]
    })
}

/// The value with all its bytes as strings.
fn plain(value: &Value) -> Value {
    match value {
        Value::Bytes(bytes) => Value::String(bytes.clone()),
        Value::Aggregate(aggregate) => {
            let mut plainer = Aggregate::with_kind(aggregate.kind());
            aggregate.array().iter().for_each(|value| plainer.push(plain(value)));
            for (key, value) in aggregate.pairs() {
                plainer.insert(key.clone(), plain(value));
            }
            plainer.into()
        }
        other => other.clone(),
    }
}

#[test]
fn every_value_comes_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for language in cases::languages() {
        let broker = Broker::builder().workers(1).build().unwrap();
        // The script of this case gives back what it gets.
        let script = format!("containers/other.{}", language.extensions[0]);
        let load = async { broker.load(cases::all().join(script)).await };
        runtime.block_on(load).unwrap();
        let mut config = ProptestConfig::with_cases(400);
        config.failure_persistence = None;
        proptest!(config, |(value in value())| {
            let call = async { broker.call::<Value>("mirror", (value.clone(),)).await };
            let back = async { tokio::time::timeout(TIMEOUT, call).await.expect("it hangs") };
            let back = runtime.block_on(back).map(|back| plain(&back));
            prop_assert_eq!(back, Ok(plain(&value)), "{}", language.name);
        });
    }
}
