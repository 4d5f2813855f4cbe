//! What it costs to carry values into scripts and out of them: strings of 10 B to 1 MiB, lists of 10 to
//! 10,000 integers, nested maps, in each language, beside the binding's own way: mlua's serde, and the
//! conversions of rquickjs, which has no serde. BASIC has no other binding and stands beside Lua's.
//! A figure is a whole call on the caller's own thread, with the value as its argument or its result,
//! so small values show what a call costs. `calog` is by calog's conversions, `serde` by `calog::Serde`.

#![allow(missing_docs, reason = "a bench")]

mod measure;

use calog::{FromValue, IntoValue, Serde};
use criterion::Criterion;
use measure::{Group, bare, ours, run};
use rquickjs::{FromJs, IntoJs};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// What all ways of all languages can carry.
trait Carried:
    IntoValue
    + FromValue
    + Serialize
    + DeserializeOwned
    + for<'js> IntoJs<'js>
    + for<'js> FromJs<'js>
    + Clone
    + PartialEq
    + 'static
{
}

impl Carried for String {}
impl Carried for Vec<i64> {}
impl Carried for Nested {}

type Nested = BTreeMap<String, BTreeMap<String, Vec<i64>>>;

/// Maps of maps of short lists, `size` of each.
fn nested(size: i64) -> Nested {
    let key = |index| format!("key {index}");
    let inner = |outer| (0..size).map(move |index| (key(index), vec![outer, index, outer * index]));
    (0..size).map(|index| (key(index), inner(index).collect())).collect()
}

fn value<T: Carried>(criterion: &mut Criterion, name: &str, value: &T) {
    for language in ["lua", "js", "basic"] {
        let value = || value.clone();
        let mut group = Group::new(criterion, &format!("{name} into {language}"));
        group
            .side("calog", || ours::into(language, value(), T::clone))
            .side("serde", || ours::into(language, value(), |value| Serde(value.clone())));
        match language {
            "js" => group.side("rquickjs", || bare::js_into(value())),
            _ => group.side("mlua", || bare::lua_into(value())),
        };
        drop(group);
        let mut group = Group::new(criterion, &format!("{name} out of {language}"));
        group
            .side("calog", || ours::out_of(language, value(), |value: T| value))
            .side("serde", || ours::out_of(language, value(), |value: Serde<T>| value.0));
        match language {
            "js" => group.side("rquickjs", || bare::js_out_of(value())),
            _ => group.side("mlua", || bare::lua_out_of(value())),
        };
    }
}

fn main() {
    run(|criterion| {
        for bytes in [10, 1 << 10, 32 << 10, 1 << 20] {
            value(criterion, &format!("string of {bytes} B"), &"x".repeat(bytes));
        }
        for length in [10, 100, 1000, 10_000] {
            value(criterion, &format!("list of {length}"), &(0..length).collect::<Vec<i64>>());
        }
        for size in [4, 32] {
            value(criterion, &format!("map of {size} maps"), &nested(size));
        }
    });
}
