//! The tables of fidelity: every rule of every engine holds, strict and lenient, and
//! `calog fidelity` prints them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod languages;

use bytes::Bytes;
use calog::{
    Broker, Context, Error, ErrorKind, Fidelity, Function, Key, Kind, Limits, Value,
    fidelity::{Direction, Outcome, Rule, Sample},
};
use languages::*;
use std::collections::HashSet;

/// The form in which a rule tells what arrives outside.
fn form(value: &Value) -> String {
    let text = format!("{value:?}");
    let mut parts = text.split("Function(");
    let first = parts.next().unwrap().to_string();
    parts.fold(first, |text, part| text + "Function(.." + &part[part.find(')').unwrap()..])
}

/// What is wrong with an error that a rule foretells.
fn wrong_error(error: &Error, kind: ErrorKind, place: &str) -> Option<String> {
    let is_right = error.kind() == kind && error.message().starts_with(place);
    (!is_right).then(|| format!("{place} {kind} was foretold, and it is {error:?}"))
}

/// What is wrong with `rule`, whose expression leaves `context`.
async fn wrong_way_out(
    context: &Context,
    expression: &str,
    fidelity: Fidelity,
    outcome: Outcome,
) -> Option<String> {
    let source = (language(context.name()).value)(expression);
    let result = within(context.eval::<Value>(&source).fidelity(fidelity)).await;
    match (result, outcome) {
        (Ok(value), Outcome::Is(arrives)) => {
            let form = form(&value);
            (form != arrives).then(|| format!("{arrives} was foretold, and it is {form}"))
        }
        (Err(error), Outcome::Fails(kind)) => wrong_error(&error, kind, "result"),
        (result, _) => Some(format!("{outcome} was foretold, and it is {result:?}")),
    }
}

/// What is wrong with a rule for `value`, which enters `context`.
async fn wrong_way_in(
    context: &Context,
    value: Value,
    fidelity: Fidelity,
    outcome: Outcome,
) -> Option<String> {
    let holds = match outcome {
        Outcome::Is(holds) => holds,
        Outcome::Fails(_) => "true",
    };
    let name = format!("{}.holds", context.name());
    let source = format!("expose(\"{name}\", {})", (language(context.name()).function)(holds));
    if let Err(error) = within(context.eval::<()>(&source)).await {
        return Some(format!("{holds}: {error:?}"));
    }
    let result = within(context.call::<bool>(&name, (value,)).fidelity(fidelity)).await;
    match (result, outcome) {
        (Ok(true), Outcome::Is(_)) => None,
        (Err(error), Outcome::Fails(kind)) => wrong_error(&error, kind, "args[1]"),
        (result, _) => Some(format!("{outcome} was foretold, and it is {result:?}")),
    }
}

// C-045 to C-059, C-020, C-021, C-063, C-065: the tables are true, row by row, strict and lenient.
#[tokio::test]
async fn every_rule_of_every_engine_holds() {
    let broker = Broker::builder().workers(1).build().unwrap();
    let mut wrong = Vec::new();
    for (engine, rules) in broker.fidelity() {
        let context = open(&broker, engine).await;
        let other = open(&broker, engine).await;
        let source = (language(engine).value)(&(language(engine).function)("v"));
        let function: Function = within(other.eval(&source)).await.unwrap();
        for rule in rules {
            for (fidelity, outcome) in
                [(Fidelity::Strict, rule.strict), (Fidelity::Lenient, rule.lenient)]
            {
                let found = match rule.sample {
                    Sample::Expression(expression) => {
                        wrong_way_out(&context, expression, fidelity, outcome).await
                    }
                    Sample::Value { make, .. } => {
                        wrong_way_in(&context, make(), fidelity, outcome).await
                    }
                    Sample::Function => {
                        let function = Value::from(function.clone());
                        wrong_way_in(&context, function, fidelity, outcome).await
                    }
                    _ => Some("a new sort of sample: try it here".into()),
                };
                wrong.extend(found.map(|what| {
                    format!("{engine}, {}, {}, {fidelity:?}: {what}", rule.about, rule.sample)
                }));
            }
        }
        // Nothing of what was refused has hurt the context.
        let five: i64 = within(context.eval(&(language(engine).value)("2 + 3"))).await.unwrap();
        assert_eq!(five, 5);
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// Bytes are an object in JavaScript, but a plain value outside of it.
#[tokio::test]
async fn bytes_may_lie_as_deep_as_any_plain_value() {
    let broker = Broker::builder().workers(1).build().unwrap();
    let deepest = Limits::default().value_depth;
    let bytes = Value::Bytes(Bytes::from_static(b"\xff"));
    let value = (0..deepest).fold(bytes, |inner, _| Value::list([inner]));
    for (engine, _) in broker.engines() {
        let context = open(&broker, engine).await;
        let same = (language(engine).function)("v");
        let name = format!("{engine}.same");
        let source = (language(engine).value)(&format!("expose(\"{name}\", {same})"));
        within(context.eval::<Value>(&source)).await.unwrap();
        let back = within(context.call::<Value>(&name, (value.clone(),))).await;
        let told = through(engine, &value, Fidelity::Strict).unwrap();
        assert_eq!(back.unwrap(), told, "{engine}");
    }
}

/// What every table must tell of: the values at which languages differ.
fn telling() -> Vec<Value> {
    let int = |int: i64| Value::Int(int);
    let key = |real| Key::real(real).unwrap();
    vec![
        Value::Nil,
        int(i64::MAX),
        int(i64::MIN),
        int((1 << 53) - 1),
        int(1 << 53),
        int((1 << 53) + 1),
        1.0.into(),
        (-0.0).into(),
        f64::INFINITY.into(),
        f64::NAN.into(),
        "a\0b".into(),
        Value::String(Bytes::from_static(b"\xff\xfe")),
        Value::Bytes(Bytes::from_static(b"\xff\xfe")),
        Value::Bytes(Bytes::from_static(b"hi")),
        table(Kind::List, [], []),
        table(Kind::Map, [], []),
        Value::list([Some(1), None, Some(3)]),
        Value::list([Some(1), None]),
        Value::map([("a", Value::Nil)]),
        Value::map([("a", 1)]),
        Value::map([(1, "a"), (2, "b")]),
        Value::map([("1", "a")]),
        Value::map([(key(7.0), "a")]),
        Value::map([(key(0.5), "half")]),
        Value::map([(Bytes::from_static(b"\xff"), 1)]),
        table(Kind::Both, [int(10)], [("a".into(), int(1))]),
        table(Kind::Both, ["element".into()], [(1.into(), "pair".into())]),
        nested(Limits::default().value_depth),
        nested(Limits::default().value_depth + 1),
    ]
}

#[test]
fn every_table_tells_of_what_differs() {
    let broker = Broker::builder().workers(1).build().unwrap();
    let tables: Vec<_> = broker.fidelity().collect();
    assert_eq!(tables.len(), broker.engines().count());
    for (engine, rules) in tables {
        let entering: HashSet<_> = rules
            .iter()
            .filter_map(|rule| match rule.sample {
                Sample::Value { make, .. } => Some(exact(&make())),
                _ => None,
            })
            .collect();
        for value in telling() {
            assert!(entering.contains(&exact(&value)), "{engine} tells nothing of {value:?}");
        }
        let has = |test: fn(&Rule) -> bool| rules.iter().any(test);
        assert!(has(|rule| matches!(rule.sample, Sample::Function)), "{engine}");
        assert!(has(|rule| rule.direction() == Direction::Out && rule.strict != rule.lenient));
        let mut abouts = HashSet::new();
        for rule in rules {
            assert!(
                abouts.insert((rule.direction(), rule.about)),
                "{engine}, {}: twice",
                rule.about
            );
        }
    }
}

/// The program, as its user meets it.
#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::process::{Command, Stdio};

    struct Ran {
        code: Option<i32>,
        out: String,
        err: String,
    }

    /// `calog ARGS...`
    fn calog(args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calog"));
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The words of a text, wherever its lines and columns break.
    fn words(text: &str) -> String {
        text.split_whitespace().collect()
    }

    #[test]
    fn the_tables_are_printed_whole_and_fit() {
        let broker = Broker::builder().workers(1).build().unwrap();
        let all = calog(&["fidelity"]);
        assert_eq!((all.code, all.err.as_str()), (Some(0), ""));
        let mut together = String::new();
        for (engine, rules) in broker.fidelity() {
            let one = calog(&["fidelity", engine]);
            assert_eq!((one.code, one.err.as_str()), (Some(0), ""));
            assert!(one.out.contains(&format!("{engine}: out of a script\n")), "{}", one.out);
            assert!(one.out.contains(&format!("{engine}: into a script\n")), "{}", one.out);
            for line in one.out.lines() {
                assert!(line.chars().count() <= 100, "{line}");
                assert!(line.trim_end() == line && !line.contains(char::is_control), "{line}");
            }
            // The first column of each row begins where no other line does.
            for rule in rules {
                let begin: String = rule.about.chars().take(8).collect();
                assert!(one.out.lines().any(|line| line.starts_with(&begin)), "{}", rule.about);
            }
            if !together.is_empty() {
                together.push('\n');
            }
            together += &one.out;
        }
        assert_eq!(all.out, together);
    }

    #[cfg(feature = "lua")]
    #[test]
    fn a_row_reads_well() {
        let lua = calog(&["fidelity", "lua"]).out;
        let row = lua.lines().find(|line| line.starts_with("a boolean as a key")).unwrap();
        let row: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(row[1], "{'a', [true] = 1}");
        assert_eq!(row[3], "[\"a\"]");
        assert!(words(&lua).contains("error:unrepresentable"));
    }

    #[test]
    fn an_unknown_language_is_bad_usage() {
        let ran = calog(&["fidelity", "cobol"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.starts_with("error: no language is called `cobol`"), "{}", ran.err);
        assert!(ran.err.contains("calog engines"), "{}", ran.err);
        assert_eq!(calog(&["fidelity", "lua", "js"]).code, Some(2));
    }

    #[test]
    fn the_help_teaches_how_to_read_it() {
        let ran = calog(&["fidelity", "--help"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        for says in ["STRICT", "LENIENT", "--lenient", "calog fidelity lua", "error: KIND", "same"]
        {
            assert!(ran.out.contains(says), "{says}: {}", ran.out);
        }
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    }
}
