//! The container: kinds, order, duplicates.

use super::*;

fn keys(aggregate: &Aggregate) -> Vec<Key> {
    aggregate.pairs().map(|(key, _)| key.clone()).collect()
}

#[test]
fn an_empty_container_is_what_its_kind_says() {
    // C-016, C-017, C-055
    assert_eq!(Aggregate::new().kind(), Kind::List);
    assert_eq!(Aggregate::with_capacity(3, 3).kind(), Kind::List);
    assert_eq!(Aggregate::list(vec![]).kind(), Kind::List);
    assert_eq!(Aggregate::map::<Key, Value>([]).kind(), Kind::Map);
    for kind in [Kind::List, Kind::Map, Kind::Both] {
        let empty = Aggregate::with_kind(kind);
        assert_eq!((empty.kind(), empty.is_empty(), empty.len()), (kind, true, 0));
        assert_eq!(empty.into_parts().0, kind);
    }
}

#[test]
fn the_kind_follows_the_content() {
    // C-015, C-016, C-018
    for (start, pushed, inserted, mixed) in [
        (Kind::List, Kind::List, Kind::Map, Kind::Both),
        (Kind::Map, Kind::Both, Kind::Map, Kind::Both),
        (Kind::Both, Kind::Both, Kind::Both, Kind::Both),
    ] {
        let mut list = Aggregate::with_kind(start);
        list.push(1);
        assert_eq!(list.kind(), pushed, "push to {start:?}");
        list.insert("k", 1);
        assert_eq!(list.kind(), mixed, "push and insert to {start:?}");
        let mut map = Aggregate::with_kind(start);
        map.insert("k", 1);
        assert_eq!(map.kind(), inserted, "insert to {start:?}");
        map.push(1);
        assert_eq!(map.kind(), mixed, "insert and push to {start:?}");
    }
}

#[test]
fn both_parts_are_kept() {
    // C-015, C-018
    let mut table = Aggregate::with_capacity(2, 2);
    table.push("one");
    table.insert("k", true);
    table.push("two");
    assert_eq!(table.array(), [Value::from("one"), Value::from("two")]);
    assert_eq!((table.len(), table.is_empty()), (3, false));
    assert_eq!(table.get_index(1), Some(&Value::from("two")));
    assert_eq!(table.get_index(2), None);
    assert_eq!(table.get(&Key::Int(1)), None);
    let (kind, array, pairs) = table.into_parts();
    assert_eq!((kind, array.len(), pairs.len()), (Kind::Both, 2, 1));
    assert_eq!(pairs.get(&Key::from("k")), Some(&Value::from(true)));
}

#[test]
fn pairs_keep_their_order_and_replace_in_place() {
    // C-015, C-021
    let mut map = Aggregate::map([("z", 1), ("a", 2), ("m", 3), ("a", 4)]);
    let order = ["z", "a", "m"].map(Key::from);
    assert_eq!(keys(&map), order);
    assert_eq!(map.get_str("a"), Some(&Value::Int(4)));
    assert_eq!(map.insert("z", 9), Some(Value::Int(1)));
    assert_eq!(map.insert("new", 0), None);
    assert_eq!(keys(&map)[..3], order);
    assert_eq!(map.get(&Key::from("z")), Some(&Value::Int(9)));
    assert_eq!(map.get_str("absent"), None);
}

#[test]
fn equal_numbers_are_one_key() {
    // C-021
    let mut map = Aggregate::new();
    map.insert(1, "int");
    assert_eq!(map.insert(Key::real(1.0).unwrap(), "real"), Some("int".into()));
    assert_eq!(map.insert("1", "string"), None);
    map.insert(Key::real(-0.0).unwrap(), "zero");
    assert_eq!(keys(&map), [Key::Int(1), Key::from("1"), Key::Int(0)]);
}

#[test]
fn a_map_and_a_list_of_values_are_short_to_write() {
    // C-019
    let list = Value::list([Value::from(1), "two".into(), Value::Nil]);
    assert_eq!(list.as_aggregate().unwrap().len(), 3);
    let map = Value::map([(Key::Int(1), Value::Nil), ("k".into(), 2.into())]);
    assert_eq!(map.as_aggregate().unwrap().kind(), Kind::Map);
}
