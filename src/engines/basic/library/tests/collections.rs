//! Lists, dicts, arrays, iterators.

use super::{Int, LIMIT, Nil, Real, STRETCH, Value, World, item_of};
use crate::engines::basic::{fault::Failure, library::iterators};

#[test]
fn lists_are_made_and_changed() {
    let mut world = World::new();
    let list = world.run("LIST", &[]);
    assert_eq!(world.shown("PUSH", &[list]), "[]");
    assert_eq!(world.shown("PUSH", &[list, Int(1)]), "[1]");
    assert_eq!(world.shown("PUSH", &[list, Int(2), Int(3)]), "[1 2 3]");
    assert_eq!(world.shown("POP", &[list]), "3");
    assert_eq!(world.shown("BACK", &[list]), "2");
    assert_eq!(world.shown("INSERT", &[list, Int(0), Int(9)]), "[9 1 2]");
    assert_eq!(world.shown("INSERT", &[list, Real(1.9), Int(8)]), "[9 8 1 2]");
    assert_eq!(world.shown("INSERT", &[list, Int(4), Int(7)]), "[9 8 1 2 7]");
    for index in [-1, 6, i64::MAX] {
        assert_eq!(world.code("INSERT", &[list, Int(index), Int(0)]), 48);
    }
    assert_eq!(world.shown("REMOVE", &[list, Int(0), Int(0)]), "[1 2 7]");
    assert_eq!(world.code("REMOVE", &[list, Int(3)]), 21);
    assert_eq!(world.code("REMOVE", &[list, Int(-1)]), 21);
    assert_eq!(world.shown("REMOVE", &[list]), "[1 2 7]");
    assert_eq!(world.shown("CLEAR", &[list]), "[]");
    assert_eq!(world.shown("POP", &[list]), "NIL");
    assert_eq!(world.shown("BACK", &[list]), "NIL");
    assert_eq!(world.shown("LIST", &[Int(1), Nil, Real(2.0)]), "[1 NIL 2!]");
}

#[test]
fn lists_are_read_and_written_by_index() {
    let mut world = World::new();
    let list = world.list(&[Int(3), Int(1), Int(2)]);
    assert_eq!(world.shown("GET", &[list, Int(1)]), "1");
    assert_eq!(world.shown("GET", &[list, Real(2.9)]), "2");
    assert_eq!(world.shown("SET", &[list, Int(1), Int(7), Int(2), Int(8)]), "[3 7 8]");
    assert_eq!(world.shown("SET", &[list]), "[3 7 8]");
    for index in [-1, 3, i64::MIN] {
        assert_eq!(world.code("GET", &[list, Int(index)]), 21);
        assert_eq!(world.code("SET", &[list, Int(index), Int(0)]), 21);
    }
    assert_eq!(world.code("SET", &[list, Int(0), Int(5), Int(9), Int(5)]), 21);
    assert_eq!(world.code("SET", &[list, Int(0)]), 14);
    assert_eq!(world.code("GET", &[list]), 14);
    assert_eq!(world.code("GET", &[list, Int(0), Int(0)]), 34);
    assert_eq!(world.code("GET", &[list, Nil]), 17);
    assert_eq!(
        world.fault("GET", &[list, Int(7)]).to_string(),
        "Code 21: Cannot find with the specific index: GET: the list has 3 elements, and none at 7"
    );
}

#[test]
fn ranges_are_lists() {
    let mut world = World::new();
    let mut shown = |from, to| world.shown("LIST TO", &[from, to]);
    assert_eq!(shown(Int(1), Int(5)), "[1 2 3 4 5]");
    assert_eq!(shown(Int(5), Int(1)), "[5 4 3 2 1]");
    assert_eq!(shown(Int(3), Int(3)), "[3]");
    assert_eq!(shown(Real(-1.9), Real(1.9)), "[-1 0 1]");
    assert_eq!(
        shown(Int(i64::MAX - 1), Int(i64::MAX)),
        "[9223372036854775806 9223372036854775807]"
    );
    assert_eq!(shown(Int(i64::MIN), Int(i64::MIN)), "[-9223372036854775808]");

    let long = world.run("LIST TO", &[Int(10_000), Int(-10_000)]);
    let Value::List(r) = long else { panic!("no list") };
    let items = world.heap.list(r).items.iter();
    assert!(
        items.map(|item| world.show(*item)).eq((-10_000..=10_000).rev().map(|i| i.to_string()))
    );

    for limit in [LIMIT, usize::MAX] {
        let mut world = World::with_limit(limit);
        for to in [1 << 62, i64::MAX] {
            let result = world.try_run("LIST TO", &[Int(i64::MIN), Int(to)]);
            assert!(matches!(result, Err(Failure::Memory(_))), "{result:?}");
        }
    }
    let result = world.try_run("LIST TO", &[Int(1), Int(1_000_000_000_000)]);
    assert!(matches!(result, Err(Failure::Memory(_))), "{result:?}");
    assert_eq!(world.code("LIST TO", &[Int(1), Nil]), 47);
}

#[test]
fn lists_are_searched_by_type_and_value() {
    let mut world = World::new();
    let (a, big_a, one) = (world.text("ab"), world.text("AB"), world.text("1"));
    let inner = world.list(&[]);
    let list = world.list(&[Int(1), a, Nil, Real(2.5), Real(3.0), inner, Value::Unknown]);
    let (again, other) = (world.text("ab"), world.list(&[]));
    for (value, index) in [
        (Int(1), "0"),
        (again, "1"),
        (Nil, "2"),
        (Real(2.5), "3"),
        (Real(3.0), "4"),
        (inner, "5"),
        (Value::Unknown, "6"),
        (Int(3), "UNKNOWN"),
        (Real(1.0), "UNKNOWN"),
        (big_a, "UNKNOWN"),
        (one, "UNKNOWN"),
        (other, "UNKNOWN"),
    ] {
        assert_eq!(world.shown("INDEX_OF", &[list, value]), index);
        let exists = if index == "UNKNOWN" { "0" } else { "1" };
        assert_eq!(world.shown("EXISTS", &[list, value]), exists);
    }
    let long = world.run("LIST TO", &[Int(0), Int(20_000)]);
    assert_eq!(world.shown("INDEX_OF", &[long, Int(19_999)]), "19999");
    assert_eq!(world.shown("EXISTS", &[long, Int(20_001)]), "0");
    assert_eq!(world.code("INDEX_OF", &[list]), 14);
}

#[test]
fn dicts_are_made_read_and_changed() {
    let mut world = World::new();
    let (a, b) = (world.text("a"), world.text("b"));
    let dict = world.run("DICT", &[a, Int(1), b, Int(2), a, Int(3)]);
    assert_eq!(world.show(dict), r#"{"a"=3 "b"=2}"#);
    let again = world.text("a");
    assert_eq!(world.shown("GET", &[dict, again]), "3");
    assert_eq!(world.shown("GET", &[dict, Nil]), "UNKNOWN");
    assert_eq!(world.shown("EXISTS", &[dict, again]), "1");
    assert_eq!(world.shown("EXISTS", &[dict, Nil]), "0");
    assert_eq!(world.shown("SET", &[dict, again, Int(4), Int(2), Int(5)]), r#"{"a"=4 "b"=2 2=5}"#);
    assert_eq!(world.shown("GET", &[dict, Real(2.0)]), "UNKNOWN");
    assert_eq!(world.shown("SET", &[dict, Real(2.0), Int(6)]), r#"{"a"=4 "b"=2 2!=6 2=5}"#);
    assert_eq!(world.shown("REMOVE", &[dict, Int(2), again]), r#"{"b"=2 2!=6}"#);
    assert_eq!(world.code("REMOVE", &[dict, again]), 21);
    assert_eq!(world.code("DICT", &[a]), 14);
    assert_eq!(world.code("SET", &[dict, a]), 14);
    assert_eq!(world.code("GET", &[dict]), 14);
    assert_eq!(world.shown("CLEAR", &[dict]), "{}");

    let (one, other) = (world.list(&[]), world.list(&[]));
    world.run("SET", &[dict, one, Int(1)]);
    assert_eq!(world.shown("EXISTS", &[dict, one]), "1");
    assert_eq!(world.shown("EXISTS", &[dict, other]), "0");
}

#[test]
fn what_is_no_collection_is_refused() {
    let mut world = World::new();
    let (list, text) = (world.list(&[Int(1)]), world.text("x"));
    let dict = world.run("DICT", &[]);
    let array = world.run("TO_ARRAY", &[list]);
    for wrong in [Int(5), text, Nil, array, dict] {
        for name in ["POP", "BACK", "SORT", "TO_ARRAY"] {
            assert_eq!(world.code(name, &[wrong]), 62, "{name}");
        }
        assert_eq!(world.code("PUSH", &[wrong, Int(1)]), 62);
        assert_eq!(world.code("INSERT", &[wrong, Int(0), Int(1)]), 62);
        assert_eq!(world.code("INDEX_OF", &[wrong, Int(1)]), 62);
    }
    for wrong in [Int(5), text, Nil, array] {
        assert_eq!(world.code("EXISTS", &[wrong, Int(1)]), 65);
        assert_eq!(world.code("REMOVE", &[wrong, Int(1)]), 65);
        assert_eq!(world.code("SET", &[wrong, Int(1), Int(1)]), 65);
        assert_eq!(world.code("GET", &[wrong, Int(1)]), 66);
        for name in ["CLEAR", "CLONE", "ITERATOR"] {
            assert_eq!(world.code(name, &[wrong]), 65, "{name}");
        }
    }
    for wrong in [Int(5), list, dict] {
        assert_eq!(world.code("MOVE_NEXT", &[wrong]), 64);
    }
    for name in ["PUSH", "POP", "BACK", "INSERT", "SORT", "INDEX_OF", "GET", "SET", "REMOVE"] {
        assert_eq!(world.code(name, &[]), 14, "{name}");
    }
    assert_eq!(
        world.fault("PUSH", &[Int(5), Int(1)]).to_string(),
        "Code 62: List expected: PUSH: a LIST is expected, not an INTEGER"
    );
    assert_eq!(
        world.fault("POP", &[list, list]).to_string(),
        "Code 34: Close bracket expected: POP: 1 argument is expected, not 2"
    );
}

#[test]
fn lists_are_sorted_in_place() {
    let mut world = World::new();
    let list = world.list(&[Int(3), Int(1), Int(2)]);
    assert_eq!(world.shown("SORT", &[list]), "[1 2 3]");
    let texts: Vec<_> = ["b", "é", "B", "", "ab", "a"].map(|text| world.text(text)).into();
    let list = world.list(&texts);
    assert_eq!(world.shown("SORT", &[list]), r#"["" "B" "a" "ab" "b" "é"]"#);
    let (z, inner) = (world.text("z"), world.list(&[]));
    let nan = Real(f64::NAN);
    let list = world.list(&[z, inner, nan, Real(0.5), Int(9), Nil, Real(-1.0), Int(1), nan]);
    assert_eq!(world.shown("SORT", &[list]), r#"[1 9 -1! 0.5! nan! nan! "z" [] NIL]"#);
}

#[test]
fn long_lists_are_sorted_in_steps() {
    let mut world = World::new();
    // A length between steps, and numbers that occur several times.
    for len in [STRETCH, STRETCH + 1, 3 * STRETCH - 1, 50_000] {
        let items = (0..len as i64).map(|at| Int(at * 7919 % 10_007)).collect();
        let list = world.heap.new_list(items);
        let Value::List(r) = world.run("SORT", &[list]) else { panic!("no list") };
        let items: Vec<i64> = world.heap.list(r).items.iter().map(|item| item_of(*item)).collect();
        let mut expected: Vec<i64> = (0..len as i64).map(|at| at * 7919 % 10_007).collect();
        expected.sort_unstable();
        assert_eq!(items, expected);
    }
    // What does not compare keeps its order, also over several steps.
    let items: Vec<_> = (0..20_000)
        .map(|at| if at % 2 == 0 { world.heap.new_list(vec![Int(at)]) } else { Int(0) })
        .collect();
    let list = world.list(&items);
    let Value::List(r) = world.run("SORT", &[list]) else { panic!("no list") };
    let rest = world.heap.list(r).items[10_000..].iter();
    assert!(rest.map(|item| world.show(*item)).eq((0..10_000).map(|at| format!("[{}]", at * 2))));
}

#[test]
fn copies_are_shallow() {
    let mut world = World::new();
    let inner = world.list(&[Int(1)]);
    let list = world.list(&[inner, Int(2)]);
    let copy = world.run("CLONE", &[list]);
    world.run("PUSH", &[copy, Int(3)]);
    world.run("PUSH", &[inner, Int(4)]);
    assert_eq!(world.show(list), "[[1 4] 2]");
    assert_eq!(world.show(copy), "[[1 4] 2 3]");
    let dict = world.run("DICT", &[Int(1), inner]);
    let copy = world.run("CLONE", &[dict]);
    world.run("SET", &[copy, Int(2), Nil]);
    assert_eq!(world.show(dict), "{1=[1 4]}");
    assert_eq!(world.show(copy), "{1=[1 4] 2=NIL}");
}

#[test]
fn arrays_are_made_of_lists() {
    let mut world = World::new();
    let text = world.text("5");
    let list = world.list(&[Int(1), Real(2.5), text, Nil]);
    assert_eq!(world.shown("TO_ARRAY", &[list]), "[4][1.0, 2.5, 0.0, 0.0]");
    let list = world.list(&[]);
    assert_eq!(world.shown("TO_ARRAY", &[list]), "[0][]");
}

#[test]
fn iterators_go_through_lists() {
    let mut world = World::new();
    let list = world.list(&[Int(5), Int(6)]);
    let iterator = world.run("ITERATOR", &[list]);
    assert_eq!(world.show(iterator), "LIST_ITERATOR");
    assert_eq!(world.code("GET", &[iterator]), 63);
    assert_eq!(world.shown("MOVE_NEXT", &[iterator]), "1");
    assert_eq!(world.shown("GET", &[iterator]), "5");
    world.run("SET", &[list, Int(1), Int(7)]);
    assert_eq!(world.shown("MOVE_NEXT", &[iterator]), "1");
    assert_eq!(world.shown("GET", &[iterator]), "7");
    assert_eq!(world.code("GET", &[iterator, Int(0)]), 34);
    assert_eq!(world.code("VAL", &[iterator]), 14);
    let Value::Iterator(r) = iterator else { panic!("no iterator") };
    iterators::set_current(&mut world.heap, r, Int(8));
    assert_eq!(world.show(list), "[5 8]");
    for _ in 0..2 {
        assert_eq!(world.shown("MOVE_NEXT", &[iterator]), "NIL");
        assert_eq!(world.code("GET", &[iterator]), 63);
    }
    iterators::set_current(&mut world.heap, r, Int(9));
    assert_eq!(world.show(list), "[5 8]");
}

#[test]
fn iterators_go_through_dicts() {
    let mut world = World::new();
    let x = world.text("x");
    let dict = world.run("DICT", &[x, Int(1)]);
    let iterator = world.run("ITERATOR", &[dict]);
    assert_eq!(world.show(iterator), "DICT_ITERATOR");
    assert_eq!(world.code("VAL", &[iterator]), 63);
    assert_eq!(world.shown("MOVE_NEXT", &[iterator]), "1");
    assert_eq!(world.shown("GET", &[iterator]), "\"x\"");
    world.run("SET", &[dict, x, Int(2)]);
    assert_eq!(world.shown("VAL", &[iterator]), "2");
    assert_eq!(world.shown("MOVE_NEXT", &[iterator]), "NIL");
    assert_eq!(world.code("VAL", &[iterator]), 63);
}

#[test]
fn iterators_end_when_their_collection_changes() {
    let mut world = World::new();
    for (name, args) in [
        ("PUSH", &[Int(1)][..]),
        ("POP", &[]),
        ("INSERT", &[Int(0), Int(1)]),
        ("REMOVE", &[Int(0)]),
        ("CLEAR", &[]),
    ] {
        let list = world.list(&[Int(1), Int(2)]);
        let iterator = world.run("ITERATOR", &[list]);
        world.run("MOVE_NEXT", &[iterator]);
        world.run(name, &[&[list], args].concat());
        assert_eq!(world.code("MOVE_NEXT", &[iterator]), 63, "{name}");
        assert_eq!(world.code("GET", &[iterator]), 63, "{name}");
    }
    for (name, args) in [("SET", &[Int(9), Int(9)][..]), ("REMOVE", &[Int(1)]), ("CLEAR", &[])] {
        let dict = world.run("DICT", &[Int(1), Int(2)]);
        let iterator = world.run("ITERATOR", &[dict]);
        world.run("MOVE_NEXT", &[iterator]);
        world.run(name, &[&[dict], args].concat());
        assert_eq!(world.code("MOVE_NEXT", &[iterator]), 63, "{name}");
        assert_eq!(world.code("VAL", &[iterator]), 63, "{name}");
    }
}

#[test]
fn memory_is_asked_for_before_anything_changes() {
    let mut world = World::with_limit(90_000);
    let list = world.run("LIST TO", &[Int(1), Int(4000)]);
    for (name, args) in [
        ("CLONE", &[list][..]),
        ("SORT", &[list]),
        ("TO_ARRAY", &[list]),
        ("PUSH", &[list, Int(1)]),
        ("INSERT", &[list, Int(0), Int(1)]),
        ("LIST", &[Nil; 3000]),
        ("DICT", &[Nil; 3000]),
    ] {
        let result = world.try_run(name, args);
        assert!(matches!(result, Err(Failure::Memory(_))), "{name}: {result:?}");
        assert_eq!(world.shown("LEN", &[list]), "4000");
    }
    let dict = world.run("DICT", &[]);
    let failed = (0..10_000).find(|at| world.try_run("SET", &[dict, Int(*at), Nil]).is_err());
    let failed = failed.expect("the dict is larger than its heap");
    assert_eq!(world.shown("LEN", &[dict]), failed.to_string());
    let text = world.heap.new_text(&[b'%'; 50_000]);
    assert!(matches!(world.try_run("NOW", &[text]), Err(Failure::Memory(_))));
}
