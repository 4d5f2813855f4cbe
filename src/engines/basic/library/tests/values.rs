//! Numbers, texts, types, and what surrounds a program.

use super::{Int, Nil, Real, Type, Value, World, item_of};

#[test]
fn functions_of_one_number() {
    let mut world = World::new();
    for (name, arg, result) in [
        ("ABS", Int(-3), "3"),
        ("ABS", Int(3), "3"),
        ("ABS", Real(-1.5), "1.5!"),
        ("ABS", Int(i64::MIN), "9.22337e+18!"),
        ("SGN", Int(-2), "-1"),
        ("SGN", Int(0), "0"),
        ("SGN", Real(3.5), "1"),
        ("SGN", Real(-0.5), "-1"),
        ("SGN", Real(f64::NAN), "0"),
        ("SQR", Int(16), "4"),
        ("SQR", Int(2), "1.41421!"),
        ("SQR", Int(-1), "nan!"),
        ("FLOOR", Real(1.7), "1"),
        ("FLOOR", Real(-1.7), "-2"),
        ("FLOOR", Int(i64::MAX), "9223372036854775807"),
        ("FLOOR", Real(1e300), "1e+300!"),
        ("CEIL", Real(1.2), "2"),
        ("CEIL", Real(-1.2), "-1"),
        ("CEIL", Real(-0.5), "0"),
        ("FIX", Real(1.9), "1"),
        ("FIX", Real(-1.9), "-1"),
        ("ROUND", Real(1.5), "2"),
        ("ROUND", Real(2.4), "2"),
        ("ROUND", Real(2.5), "3"),
        ("ROUND", Real(-1.5), "-1"),
        ("ROUND", Real(-2.6), "-2"),
        ("ROUND", Int(7), "7"),
        ("SIN", Real(0.5), "0.479426!"),
        ("COS", Int(0), "1"),
        ("TAN", Int(1), "1.55741!"),
        ("ASIN", Int(1), "1.5708!"),
        ("ACOS", Int(1), "0"),
        ("ATAN", Int(1), "0.785398!"),
        ("EXP", Int(1), "2.71828!"),
        ("LOG", Int(10), "2.30259!"),
        ("LOG", Int(0), "-inf!"),
    ] {
        assert_eq!(world.shown(name, &[arg]), result, "{name} {arg:?}");
        let text = world.text("x");
        for wrong in [text, Nil, Value::Unknown] {
            assert_eq!(world.code(name, &[wrong]), 17, "{name}");
        }
        assert_eq!(world.code(name, &[]), 14, "{name}");
        assert_eq!(world.code(name, &[arg, arg]), 34, "{name}");
    }
}

#[test]
fn random_numbers_keep_to_their_bounds_and_repeat() {
    let mut world = World::new();
    let mut draw = |seed| {
        world.run("SRND", &[Int(seed)]);
        let mut all = Vec::new();
        for _ in 0..200 {
            let Real(fraction) = world.run("RND", &[]) else { panic!("no REAL") };
            assert!((0.0..=1.0).contains(&fraction));
            assert!((fraction * 100.0 - (fraction * 100.0).round()).abs() < 1e-9, "{fraction}");
            let Int(die) = world.run("RND", &[Int(6)]) else { panic!("no INT") };
            assert!((0..=6).contains(&die));
            let Int(between) = world.run("RND", &[Real(-2.9), Int(1)]) else { panic!("no INT") };
            assert!((-2..=1).contains(&between));
            all.push((fraction, die, between));
        }
        all
    };
    let first = draw(1);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
    assert!((0..=6).all(|die| first.iter().any(|(_, each, _)| *each == die)));
    assert!((-2..=1).all(|die| first.iter().any(|(_, _, each)| *each == die)));

    let all = [Int(i64::MIN), Int(i64::MAX)];
    assert!(matches!(world.run("RND", &all), Int(_)));
    assert_eq!(world.code("RND", &[Int(0)]), 20);
    assert_eq!(world.code("RND", &[Int(-1)]), 20);
    assert_eq!(world.code("RND", &[Int(3), Int(3)]), 20);
    assert_eq!(world.code("RND", &[Int(9), Int(5)]), 20);
    assert_eq!(world.code("RND", &[Int(1), Int(2), Int(3)]), 34);
    assert_eq!(world.code("RND", &[Nil]), 47);
    assert_eq!(world.code("SRND", &[]), 14);
}

#[test]
fn characters_and_parts_of_texts() {
    let mut world = World::new();
    let (hello, mixed, empty) = (world.text("hello"), world.text("aé€😀z"), world.text(""));
    let e = world.text("é!");
    assert_eq!(world.shown("ASC", &[hello]), "104");
    assert_eq!(world.shown("ASC", &[e]), "43459");
    assert_eq!(world.code("ASC", &[empty]), 47);
    assert_eq!(world.code("ASC", &[Int(5)]), 47);
    assert_eq!(world.shown("CHR", &[Int(104)]), "\"h\"");
    assert_eq!(world.shown("CHR", &[Real(104.9)]), "\"h\"");
    assert_eq!(world.shown("CHR", &[Int(34)]), r#""\"""#);
    assert_eq!(world.shown("CHR", &[Int(43459)]), "\"é\"");
    assert_eq!(world.code("CHR", &[Int(-1)]), 20);
    assert_eq!(world.code("CHR", &[hello]), 47);

    assert_eq!(world.shown("LEFT", &[hello, Int(2)]), "\"he\"");
    assert_eq!(world.shown("LEFT", &[hello, Int(5)]), "\"hello\"");
    assert_eq!(world.shown("LEFT", &[mixed, Real(2.9)]), "\"aé\"");
    assert_eq!(world.shown("RIGHT", &[hello, Int(2)]), "\"lo\"");
    assert_eq!(world.shown("RIGHT", &[mixed, Int(2)]), "\"😀z\"");
    assert_eq!(world.shown("MID", &[hello, Int(1), Int(3)]), "\"ell\"");
    assert_eq!(world.shown("MID", &[hello, Int(4), Int(1)]), "\"o\"");
    assert_eq!(world.shown("MID", &[mixed, Int(1), Int(3)]), "\"é€😀\"");
    for count in [-1, 0, 6] {
        assert_eq!(world.code("LEFT", &[hello, Int(count)]), 20);
        assert_eq!(world.code("RIGHT", &[hello, Int(count)]), 20);
        assert_eq!(world.code("MID", &[hello, Int(0), Int(count)]), 20);
    }
    for start in [-1, 5] {
        assert_eq!(world.code("MID", &[hello, Int(start), Int(1)]), 20);
    }
    assert_eq!(world.code("LEFT", &[Int(5), Int(1)]), 47);
    assert_eq!(world.code("LEFT", &[hello, hello]), 47);
    assert_eq!(world.code("LEFT", &[hello]), 14);
    assert_eq!(world.code("MID", &[hello, Int(1)]), 14);
    assert_eq!(world.code("MID", &[hello, Int(1), Int(1), Int(1)]), 34);
    assert_eq!(
        world.fault("LEFT", &[hello, Int(7)]).to_string(),
        "Code 20: Index out of bound: LEFT: the text has 5 characters, not 7"
    );
}

#[test]
fn values_become_texts_and_back() {
    let mut world = World::new();
    let (x, list) = (world.text("x"), world.list(&[]));
    for (value, text) in [
        (Int(12), "\"12\""),
        (Int(i64::MIN), "\"-9223372036854775808\""),
        (Real(1.5), "\"1.5\""),
        (Real(-1.234567e-300), "\"-1.23457e-300\""),
        (Real(f64::INFINITY), "\"inf\""),
        (x, "\"x\""),
        (Value::Type(Type::Integer), "\"INTEGER\""),
    ] {
        assert_eq!(world.shown("STR", &[value]), text);
    }
    for wrong in [Nil, Value::Unknown, list] {
        assert_eq!(world.code("STR", &[wrong]), 47);
    }

    for (text, value) in [
        ("12", "12"),
        ("1.5", "1.5!"),
        ("-7", "-7"),
        ("0x1f", "31"),
        ("010", "8"),
        ("1e3", "1000!"),
        ("3.0", "3!"),
        (" 7", "7"),
        ("", "0"),
        ("99999999999", "99999999999"),
    ] {
        let text = world.text(text);
        assert_eq!(world.shown("VAL", &[text]), value);
    }
    for text in ["12abc", "7 ", " ", "abc", "1,5"] {
        let text = world.text(text);
        assert_eq!(world.code("VAL", &[text]), 47);
    }
    for wrong in [Nil, Int(5), list] {
        assert_eq!(world.code("VAL", &[wrong]), 14);
    }
}

#[test]
fn lengths() {
    let mut world = World::new();
    let (hello, mixed, empty) = (world.text("hello"), world.text("aé€😀z"), world.text(""));
    let list = world.list(&[Int(1), Int(2)]);
    let dict = world.run("DICT", &[Int(1), Int(2)]);
    let array = world.run("TO_ARRAY", &[list]);
    for (value, len) in
        [(hello, "5"), (mixed, "5"), (empty, "0"), (list, "2"), (dict, "1"), (array, "2")]
    {
        assert_eq!(world.shown("LEN", &[value]), len);
    }
    for wrong in [Int(5), Real(1.5), Nil, Value::Unknown, Value::Type(Type::List)] {
        assert_eq!(world.code("LEN", &[wrong]), 3);
    }
    assert_eq!(world.code("LEN", &[]), 14);
}

#[test]
fn types_are_told_or_named() {
    let mut world = World::new();
    let list = world.list(&[]);
    let iterator = world.run("ITERATOR", &[list]);
    for (value, name) in [
        (Int(1), "INTEGER"),
        (Real(1.0), "REAL"),
        (Nil, "NIL"),
        (Value::Unknown, "UNKNOWN"),
        (Value::Type(Type::Nil), "TYPE"),
        (list, "LIST"),
        (iterator, "LIST_ITERATOR"),
    ] {
        assert_eq!(world.shown("TYPE", &[value]), name);
    }
    for (text, name) in [
        ("INTEGER", "INTEGER"),
        ("list", "LIST"),
        ("Number", "NUMBER"),
        ("abc", "STRING"),
        ("", "STRING"),
    ] {
        let text = world.text(text);
        assert_eq!(world.shown("TYPE", &[text]), name);
    }
}

#[test]
fn surroundings() {
    let mut world = World::new();
    let before = item_of(world.run("MEM", &[]));
    world.run("LIST TO", &[Int(1), Int(1000)]);
    assert!(item_of(world.run("MEM", &[])) >= before + 16_000);
    assert!(item_of(world.run("TICKS", &[])) >= 0);
    assert_eq!(world.show(Nil), world.shown("BEEP", &[]));
    let system = std::env::consts::OS.to_uppercase();
    assert_eq!(world.shown("OS", &[]), format!("{system:?}"));
    for name in ["MEM", "TICKS", "BEEP", "OS"] {
        assert_eq!(world.code(name, &[Int(1)]), 34, "{name}");
    }
    let now = world.shown("NOW", &[]);
    assert_eq!(now.len(), "\"Sat Nov 21 14:23:41 2026\"".len(), "{now}");
    let format = world.text("%Y|");
    let year = world.shown("NOW", &[format]);
    assert!(now.trim_matches('"').ends_with(year.trim_matches(['"', '|'])), "{now} {year}");
    assert_eq!(world.code("NOW", &[Int(1)]), 47);

    assert_eq!(world.fault("RAISE", &[]).to_string(), "Code 68: Extended abort");
    let fault = world.fault("RAISE", &[Int(3)]);
    assert_eq!(fault.to_string(), "Code 68: Extended abort: code 3");
    assert_eq!(world.code("RAISE", &[Nil]), 47);
    assert_eq!(world.code("RAISE", &[Int(1), Int(2)]), 34);
}
