//! Rust's data to values and back, by serde.

use super::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    note: Option<String>,
    items: Vec<Item>,
    by_name: BTreeMap<String, BTreeMap<i16, f64>>,
    pair: (u8, char),
    unit: (),
    wrapped: Wrapped,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(f32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Dot,
    Circle(f64),
    Line(i64, i64),
    Box { w: u8, h: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    any: Value,
}

fn order() -> Order {
    Order {
        id: 7,
        note: None,
        items: vec![Item { name: "a".into() }, Item { name: "b".into() }],
        by_name: BTreeMap::from([("x".into(), BTreeMap::from([(-1, 0.5), (2, 1.0)]))]),
        pair: (1, 'z'),
        unit: (),
        wrapped: Wrapped(0.1),
        shape: Shape::Line(1, 2),
    }
}

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &T, value: Value) {
    assert_eq!(to_value(data).unwrap(), value);
    assert_eq!(&from_value::<T>(value).unwrap(), data);
}

#[test]
fn data_takes_the_documented_form() {
    round_trip(&true, true.into());
    round_trip(&i64::MIN, i64::MIN.into());
    round_trip(&u8::MAX, 255.into());
    round_trip(&-1_i128, Value::Int(-1));
    round_trip(&0.5_f32, 0.5.into());
    round_trip(&'ä', "ä".into());
    round_trip(&String::from("a\0"), "a\0".into());
    round_trip(&Some(1), 1.into());
    round_trip(&None::<i64>, Value::Nil);
    round_trip(&(), Value::Nil);
    round_trip(&Unit, Value::Nil);
    round_trip(&Wrapped(0.5), 0.5.into());
    round_trip(&(1, String::from("x")), Value::list([Value::from(1), "x".into()]));
    round_trip(&vec![None, Some(1)], Value::list([Value::Nil, 1.into()]));
    round_trip(&Vec::<i64>::new(), Aggregate::new().into());
    round_trip(&BTreeMap::<String, i64>::new(), Aggregate::with_kind(Kind::Map).into());
    round_trip(&BTreeMap::from([(-4, true)]), Value::map([(-4, true)]));
    round_trip(&BTreeMap::from([('k', 1)]), Value::map([("k", 1)]));
    round_trip(&Item { name: "a".into() }, Value::map([("name", "a")]));
}

#[test]
fn enums_are_tagged_from_outside() {
    round_trip(&Shape::Dot, "Dot".into());
    round_trip(&Shape::Circle(0.5), Value::map([("Circle", 0.5)]));
    round_trip(&Shape::Line(1, 2), Value::map([("Line", Value::list([1, 2]))]));
    let sides = Value::map([("w", 1), ("h", 2)]);
    round_trip(&Shape::Box { w: 1, h: 2 }, Value::map([("Box", sides)]));
    assert_eq!(from_value::<Shape>(Value::map([("Dot", Value::Nil)])).unwrap(), Shape::Dot);
    is(
        from_value::<Shape>(Value::map([("Dot", 1)])),
        ErrorKind::Type,
        "Dot: expected nil, got int",
    );
    is(
        from_value::<Shape>("Circle".into()),
        ErrorKind::Type,
        "Circle: expected a variant with content, got only its name",
    );
    is(
        from_value::<Shape>(Value::map([("Circle", 1), ("Dot", 1)])),
        ErrorKind::Type,
        "expected a map of one pair for a variant",
    );
    let error = from_value::<Shape>("Blob".into()).unwrap_err();
    assert!(error.message().contains("unknown variant `Blob`"), "{error}");
    is(from_value::<Shape>(1.into()), ErrorKind::Type, "expected enum Shape, got int");
}

#[test]
fn a_struct_of_everything_comes_back() {
    // C-051, C-052
    let value = to_value(&order()).unwrap();
    assert_eq!(from_value::<Order>(value).unwrap(), order());
    let value = Serde(order()).into_value().unwrap();
    assert_eq!(Serde::<Order>::from_value(value).unwrap().id, 7);
}

#[test]
fn bytes_stay_bytes() {
    // C-011
    struct Raw(&'static [u8]);
    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    let text = to_value(&Raw(b"text")).unwrap();
    assert_eq!(text, Value::Bytes(Bytes::from_static(b"text")));
    assert_eq!(from_value::<Value>(text.clone()).unwrap(), text);
    assert_eq!(from_value::<String>(text.clone()).unwrap(), "text");
    is(from_value::<u8>(text), ErrorKind::Type, "expected u8, got bytes");
    let value = to_value(&Raw(b"a\0\xff")).unwrap();
    assert_eq!(value, Value::Bytes(Bytes::from_static(b"a\0\xff")));
    assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    assert_eq!(to_value(&value).unwrap(), value);
    // Text of serde's is UTF-8.
    assert_eq!(to_value(&Value::String(Bytes::from_static(b"a\0\xff"))).unwrap(), value);
    let keyed = Value::map([(Bytes::from_static(b"\xff"), 1)]);
    assert_eq!(to_value(&keyed).unwrap(), keyed);
    is(
        from_value::<String>(value),
        ErrorKind::Unrepresentable,
        "expected text, got bytes that are not UTF-8",
    );
}

#[test]
fn what_a_value_cannot_be_is_refused_on_the_way_in() {
    // C-020, C-021, C-063, C-131
    let wide = "18446744073709551615 is out of range for int";
    is(to_value(&u64::MAX), ErrorKind::Range, wide);
    is(
        to_value(&BTreeMap::from([("a", [0, u64::MAX])])),
        ErrorKind::Range,
        &format!("a[2]: {wide}"),
    );
    is(
        to_value(&HashMap::from([(true, 1)])),
        ErrorKind::Unrepresentable,
        "a key is an int, a real or a string, not bool",
    );
    is(
        to_value(&BTreeMap::from([(vec![1], 1)])),
        ErrorKind::Unrepresentable,
        "a key is an int, a real or a string, not list",
    );
    #[derive(Serialize)]
    enum Outer {
        Newtype(u64),
        Tuple(u8, u64),
        Struct { field: Vec<u64> },
    }
    is(to_value(&Outer::Newtype(u64::MAX)), ErrorKind::Range, &format!("Newtype: {wide}"));
    is(to_value(&Outer::Tuple(0, u64::MAX)), ErrorKind::Range, &format!("Tuple[2]: {wide}"));
    let field = vec![u64::MAX];
    is(to_value(&Outer::Struct { field }), ErrorKind::Range, &format!("Struct.field[1]: {wide}"));
}

/// Pairs in a row, as a map with keys of any kind.
struct Pairs<K>(Vec<(K, i64)>);

impl<K: Serialize> Serialize for Pairs<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[test]
fn keys_are_normalised_on_the_way_in() {
    // C-021
    let map = to_value(&Pairs(vec![(1.0, 1), (0.5, 2), (-0.0, 3), (1.0, 4)])).unwrap();
    let half = Key::real(0.5).unwrap();
    assert_eq!(map, Value::map([(Key::Int(1), 4), (half, 2), (Key::Int(0), 3)]));
    is(to_value(&Pairs(vec![(f64::NAN, 1)])), ErrorKind::Range, "NaN cannot be a key");
    let unit_variant = to_value(&Pairs(vec![(Shape::Dot, 1)])).unwrap();
    assert_eq!(unit_variant, Value::map([("Dot", 1)]));
}

#[test]
fn what_data_cannot_be_is_refused_on_the_way_out() {
    // C-063, C-131
    is(from_value::<u8>(300.into()), ErrorKind::Range, "300 is out of range for u8");
    is(from_value::<u64>((-1).into()), ErrorKind::Range, "-1 is out of range for u64");
    is(from_value::<i32>(1.5.into()), ErrorKind::Type, "expected int, got real 1.5");
    assert_eq!(from_value::<i32>(2.0.into()).unwrap(), 2);
    assert_eq!(from_value::<f64>(2.into()).unwrap(), 2.0);
    assert_eq!(from_value::<f64>((1_i64 << 53).into()).unwrap(), 2_f64.powi(53));
    is(
        from_value::<f64>(((1_i64 << 53) + 1).into()),
        ErrorKind::Range,
        "9007199254740993 is out of range for f64",
    );
    is(from_value::<String>(1.into()), ErrorKind::Type, "expected a string, got int");
    is(from_value::<bool>(Value::Nil), ErrorKind::Type, "expected a boolean, got nil");
    is(
        from_value::<Value>(function(1).into()),
        ErrorKind::Unrepresentable,
        "a function cannot be deserialised",
    );
    is(
        from_value::<(u8, u8)>(Value::list([1, 2, 3])),
        ErrorKind::Type,
        "expected a list of 2, got one of 3",
    );
    is(from_value::<Item>(Value::list([1])), ErrorKind::Type, "expected map, got list");
    is(from_value::<Vec<u8>>(Value::map([(1, 1)])), ErrorKind::Type, "expected list, got map");
}

#[test]
fn errors_name_the_place_on_the_way_out() {
    // C-063, C-131
    let mut value = to_value(&order()).unwrap();
    let Value::Aggregate(fields) = &mut value else { panic!() };
    let items = Value::list([Value::map([("name", "a")]), Value::map([("name", 2)])]);
    Arc::make_mut(fields).insert("items", items);
    is(from_value::<Order>(value), ErrorKind::Type, "items[2].name: expected a string, got int");
    let missing = Value::list([Value::map([("other", 1)])]);
    is(from_value::<Vec<Item>>(missing), ErrorKind::Type, "[1]: missing field `name`");
    let shape = Value::map([("Box", Value::map([("w", 1), ("h", 999)]))]);
    is(from_value::<Shape>(shape), ErrorKind::Range, "Box.h: 999 is out of range for u8");
    is(
        from_value::<BTreeMap<u8, i64>>(Value::map([("k", 1)])),
        ErrorKind::Type,
        r#"[key "k"]: expected u8, got string"#,
    );
}

#[test]
fn empty_containers_and_mixes_are_taken_as_documented() {
    // C-018, C-053, C-055
    for kind in [Kind::List, Kind::Map, Kind::Both] {
        let empty = Value::from(Aggregate::with_kind(kind));
        assert!(from_value::<Vec<u8>>(empty.clone()).unwrap().is_empty());
        assert!(from_value::<BTreeMap<String, u8>>(empty).unwrap().is_empty());
    }
    let mut both = Aggregate::list(vec![10.into(), 20.into()]);
    both.insert(5, 50);
    let map = BTreeMap::from([(1, 10), (2, 20), (5, 50)]);
    assert_eq!(from_value::<BTreeMap<i64, i64>>(both.clone().into()).unwrap(), map);
    assert_eq!(to_value(&Value::from(both.clone())).unwrap(), to_value(&map).unwrap());
    is(
        from_value::<Vec<i64>>(both.clone().into()),
        ErrorKind::Unrepresentable,
        "a mix of list and map cannot be a list",
    );
    both.insert(2, 0);
    let text = "as a map it would have the key 2 twice";
    is(from_value::<BTreeMap<i64, i64>>(both.clone().into()), ErrorKind::Unrepresentable, text);
    is(to_value(&Value::from(both)), ErrorKind::Unrepresentable, text);
}

#[test]
fn fields_that_nobody_reads_may_be_anything() {
    let value = Value::map([("name", "a".into()), ("callback", Value::from(function(1)))]);
    assert_eq!(from_value::<Item>(value).unwrap().name, "a");
}

#[test]
fn what_a_type_reports_itself_is_a_type_error() {
    // C-131
    #[derive(Debug)]
    struct Picky(&'static str);
    impl Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom(self.0))
        }
    }
    is(to_value(&[Picky("not today")]), ErrorKind::Type, "[1]: not today");
    is(to_value(&Picky("range: of ours")), ErrorKind::Range, "of ours");
    is(to_value(&Picky("ranges")), ErrorKind::Type, "ranges");
    is(to_value(&Picky("dead: not about a value")), ErrorKind::Type, "dead: not about a value");
}

/// A vector in a vector, `depth` deep.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Self>);

fn nest(depth: usize) -> Nest {
    (1..depth).fold(Nest(vec![]), |inner, _| Nest(vec![inner]))
}

fn levels(depth: usize) -> Value {
    (1..depth).fold(Aggregate::new().into(), |inner, _| Value::list([inner]))
}

#[test]
fn the_depth_cap_is_exact_both_ways() {
    // C-057, C-060, C-061
    for depth in [DEFAULT_DEPTH - 1, DEFAULT_DEPTH] {
        assert_eq!(to_value(&nest(depth)).unwrap(), levels(depth));
        assert_eq!(from_value::<Nest>(levels(depth)).unwrap(), nest(depth));
        assert_eq!(to_value(&levels(depth)).unwrap(), levels(depth));
        let json = serde_json::to_string(&levels(depth)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), levels(depth));
    }
    let depth = DEFAULT_DEPTH + 1;
    let error = to_value(&nest(depth)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Range);
    assert!(error.message().ends_with("[1]: nested deeper than 64"), "{error}");
    is(from_value::<Nest>(levels(depth)), ErrorKind::Range, "nested deeper than 64");
    assert!(serde_json::to_string(&levels(depth)).is_err());
    let json = serde_json::to_string(&nest(depth)).unwrap();
    assert!(serde_json::from_str::<Value>(&json).is_err());
}

#[test]
fn variants_count_as_the_containers_they_become() {
    // C-057
    #[derive(Debug, Serialize, Deserialize)]
    enum Chain {
        End,
        Tuple(Box<Self>, u8),
    }
    let chain = |n| (0..n).fold(Chain::End, |inner, _| Chain::Tuple(Box::new(inner), 0));
    let value = to_value(&chain(DEFAULT_DEPTH / 2)).unwrap();
    assert_eq!(value.depth(), DEFAULT_DEPTH);
    from_value::<Chain>(value).unwrap();
    assert_eq!(to_value(&chain(DEFAULT_DEPTH / 2 + 1)).unwrap_err().kind(), ErrorKind::Range);
}

#[test]
fn values_are_data_themselves() {
    let mut any = Aggregate::new();
    any.push(Value::map([("a", Value::Nil), ("b", 1.5.into())]));
    any.push(Aggregate::with_kind(Kind::Map));
    any.push(i64::MIN);
    let holder = Holder { any: any.into() };
    round_trip(&Holder { any: holder.any.clone() }, Value::map([("any", holder.any.clone())]));
    let json = serde_json::to_string(&holder).unwrap();
    assert_eq!(json, r#"{"any":[{"a":null,"b":1.5},{},-9223372036854775808]}"#);
    assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder);
    assert!(serde_json::from_str::<Value>("18446744073709551615").is_err());
    assert!(serde_json::to_string(&Value::list([function(1)])).is_err());
    is(
        to_value(&Value::list([function(1)])),
        ErrorKind::Unrepresentable,
        "[1]: a function cannot be serialised",
    );
    let keyed = Value::map([(Key::Int(5), 1), (Key::real(0.5).unwrap(), 2)]);
    assert_eq!(from_value::<Value>(keyed.clone()).unwrap(), keyed);
}
