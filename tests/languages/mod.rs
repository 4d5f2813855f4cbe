//! What tests know of the languages that they drive alike, and values in a form that tells all
//! apart.

// Every test file uses its own part of this; and the helpers of a test may fail as the test itself
// may.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod through;

use calog::{Aggregate, Broker, Context, Fidelity, Key, Kind, Value};
use std::{
    fmt::Write,
    future::{Future, IntoFuture},
    time::Duration,
};

/// How long a test may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The output of `future`, which must be there within [`TIMEOUT`].
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(TIMEOUT, future).await;
        output.unwrap_or_else(|_| panic!("it hangs, at {place}"))
    }
}

/// How to write in a language what all tests need.
pub struct Language {
    /// A source whose result is the value of an expression.
    pub value: fn(&str) -> String,
    /// An expression for the function of `v` whose result is that of an expression.
    pub function: fn(&str) -> String,
    /// A script with what the tests of pairs call; `ME`, `OTHER` and `THIRD` stand for names.
    pub kit: &'static str,
    /// What comes back of a value that enters the language and leaves it again.
    pub through: fn(&Value, Fidelity) -> through::Back,
}

/// What comes back of `value` from a script of `engine`, or the kind of the error.
pub fn through(engine: &str, value: &Value, fidelity: Fidelity) -> through::Back {
    through::within_the_cap(value)?;
    (language(engine).through)(value, fidelity)
}

/// The language of the engine `name`.
pub fn language(name: &str) -> &'static Language {
    const LANGUAGES: &[(&str, Language)] = &[
        (
            "lua",
            Language {
                value: |expression| format!("return ({expression})"),
                function: |expression| format!("function(v) return ({expression}) end"),
                kit: include_str!("kit.lua"),
                through: through::lua,
            },
        ),
        (
            "js",
            Language {
                value: |expression| format!("({expression})"),
                function: |expression| format!("(v) => ({expression})"),
                kit: include_str!("kit.js"),
                through: through::js,
            },
        ),
        (
            "basic",
            Language {
                value: str::to_string,
                function: |expression| format!("lambda (v) (return ({expression}))"),
                kit: include_str!("kit.bas"),
                through: through::basic,
            },
        ),
    ];
    let found = LANGUAGES.iter().find(|(engine, _)| *engine == name);
    let missing =
        || panic!("the engine `{name}` is new: tell in tests/languages/mod.rs how it is written");
    &found.unwrap_or_else(missing).1
}

/// A context of `engine`, named after it.
pub async fn open(broker: &Broker, engine: &str) -> Context {
    within(broker.open(engine).name(engine).into_future()).await.unwrap()
}

/// A value in full, in a form that is the same exactly if the values are: the sign of a zero
/// counts, the order of pairs does not, and functions are all alike.
pub fn exact(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Real(real) if real.is_nan() => out.push_str("NaN"),
            // The text of a real tells the zeros apart, and reals that differ differ in it.
            Value::Real(_) | Value::Nil | Value::Bool(_) | Value::Int(_) => {
                write!(out, "{value:?}").unwrap();
            }
            Value::String(bytes) => write!(out, "\"{}\"", bytes.escape_ascii()).unwrap(),
            Value::Bytes(bytes) => write!(out, "b\"{}\"", bytes.escape_ascii()).unwrap(),
            Value::Function(_) => out.push_str("Function(..)"),
            Value::Aggregate(aggregate) => {
                if aggregate.kind() != Kind::Map {
                    let items: Vec<_> = aggregate.array().iter().map(exact).collect();
                    write!(out, "[{}]", items.join(", ")).unwrap();
                }
                if aggregate.kind() != Kind::List {
                    let mut pairs: Vec<_> = aggregate.pairs().collect();
                    pairs.sort_by_key(|(key, _)| *key);
                    let pairs = pairs.into_iter().map(|(key, value)| {
                        format!("{}: {}", exact(&Value::from(key.clone())), exact(value))
                    });
                    write!(out, "{{{}}}", pairs.collect::<Vec<_>>().join(", ")).unwrap();
                }
            }
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// An aggregate of `kind`, or of [`Kind::Both`] if it has what that kind has not.
pub fn table(
    kind: Kind,
    array: impl IntoIterator<Item = Value>,
    pairs: impl IntoIterator<Item = (Key, Value)>,
) -> Value {
    let mut table = Aggregate::with_kind(kind);
    array.into_iter().for_each(|value| table.push(value));
    pairs.into_iter().for_each(|(key, value)| drop(table.insert(key, value)));
    table.into()
}

/// Lists in lists, `depth` deep.
pub fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::from(1), |inner, _| Value::list([inner]))
}
