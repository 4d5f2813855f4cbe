//! How values cross between a language and calog, as a table. **API boundary.**
//!
//! An engine tells it ([`Engine::fidelity`](crate::engine::Engine::fidelity)) as a list of
//! [`Rule`]s, each with a sample that crosses and what becomes of it on the other side,
//! [strict and lenient](crate::Fidelity). The tables are data for programs and for people:
//! [`Broker::fidelity`](crate::Broker::fidelity) gives them, `calog fidelity` prints them, and the
//! tests of calog try every rule.
//!
//! ```
//! use calog::{ErrorKind, fidelity::{Direction, Outcome, Rule}};
//!
//! const RULES: &[Rule] = &[
//!     Rule::leaves("a thread", "coroutine.create(f)", Outcome::Fails(ErrorKind::Unrepresentable))
//!         .lenient(Outcome::Is("nil")),
//!     Rule::enters("a list", "[7]", || calog::Value::list([7]), Outcome::Is("v[1] == 7")),
//! ];
//! assert_eq!(RULES[0].direction(), Direction::Out);
//! assert_eq!(RULES[0].lenient.to_string(), "nil");
//! assert_eq!(RULES[1].sample.to_string(), "[7]");
//! assert_eq!(RULES[1].strict, RULES[1].lenient);
//! ```

use crate::{error::ErrorKind, value::Value};
use std::fmt;

/// What becomes of one value that crosses, as an example that can be tried.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// What the rule is about, in a few words.
    pub about: &'static str,
    /// The value that crosses.
    pub sample: Sample,
    /// What becomes of it in a [strict](crate::Fidelity::Strict) call.
    pub strict: Outcome,
    /// What becomes of it in a [lenient](crate::Fidelity::Lenient) call.
    pub lenient: Outcome,
}

/// The value that a [`Rule`] is about, on the side where it comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Sample {
    /// An expression of the language, whose value leaves the script.
    Expression(&'static str),
    /// A value that enters a script.
    Value {
        /// The value for people, in the form of its `Debug`, or shorter.
        text: &'static str,
        /// Makes the value.
        make: fn() -> Value,
    },
    /// A function of another context, which enters a script.
    Function,
}

/// What becomes of a value that crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrives. For one that leaves a script, this is what arrives, in the form of its `Debug`
    /// (a function as `Function(..)`); for one that enters, an expression of the language that is
    /// true of what the script sees as `v`.
    Is(&'static str),
    /// It does not cross: the call fails with an error of this kind.
    Fails(ErrorKind),
}

/// Which way a value crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Out of a script.
    Out,
    /// Into a script.
    In,
}

impl Rule {
    /// A rule for the value of `expression`, which leaves a script. It counts for strict and
    /// lenient calls.
    pub const fn leaves(about: &'static str, expression: &'static str, outcome: Outcome) -> Self {
        let sample = Sample::Expression(expression);
        Self { about, sample, strict: outcome, lenient: outcome }
    }

    /// A rule for a value that enters a script, with a text for people. It counts for strict and
    /// lenient calls.
    pub const fn enters(
        about: &'static str,
        text: &'static str,
        make: fn() -> Value,
        outcome: Outcome,
    ) -> Self {
        let sample = Sample::Value { text, make };
        Self { about, sample, strict: outcome, lenient: outcome }
    }

    /// A rule for a function of another context that enters a script.
    pub const fn function(about: &'static str, outcome: Outcome) -> Self {
        Self { about, sample: Sample::Function, strict: outcome, lenient: outcome }
    }

    /// The same rule with another outcome for lenient calls.
    #[must_use]
    pub const fn lenient(self, outcome: Outcome) -> Self {
        Self { lenient: outcome, ..self }
    }

    /// Which way the sample crosses.
    pub const fn direction(&self) -> Direction {
        match self.sample {
            Sample::Expression(_) => Direction::Out,
            Sample::Value { .. } | Sample::Function => Direction::In,
        }
    }
}

/// For people: the expression, or the text of the value.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expression(text) | Self::Value { text, .. } => text,
            Self::Function => "Function(..)",
        })
    }
}

/// For people: what arrives or holds, or `error: ` and the kind.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(text),
            Self::Fails(kind) => write!(f, "error: {kind}"),
        }
    }
}

/// What the tables of the builtin engines are written with.
#[cfg(any(feature = "lua", feature = "js", feature = "basic"))]
pub(crate) mod write {
    use crate::{
        error::ErrorKind,
        fidelity::{Outcome, Rule},
        value::{Aggregate, Key, Kind, Value},
    };
    use bytes::Bytes;

    /// The value of `expression` arrives as `arrives`.
    pub(crate) const fn out(
        about: &'static str,
        expression: &'static str,
        arrives: &'static str,
    ) -> Rule {
        Rule::leaves(about, expression, Outcome::Is(arrives))
    }

    /// The value of `expression` has no counterpart; a lenient call makes `lenient` of it.
    pub(crate) const fn no_way(
        about: &'static str,
        expression: &'static str,
        lenient: &'static str,
    ) -> Rule {
        Rule::leaves(about, expression, Outcome::Fails(ErrorKind::Unrepresentable))
            .lenient(Outcome::Is(lenient))
    }

    /// A value enters, and then `holds` is true of it.
    pub(crate) const fn enters(
        about: &'static str,
        text: &'static str,
        make: fn() -> Value,
        holds: &'static str,
    ) -> Rule {
        Rule::enters(about, text, make, Outcome::Is(holds))
    }

    /// Bytes as such.
    pub(crate) fn binary(bytes: &'static [u8]) -> Value {
        Value::Bytes(Bytes::from_static(bytes))
    }

    /// An aggregate of its parts.
    pub(crate) fn table(
        kind: Kind,
        array: Vec<Value>,
        pairs: impl IntoIterator<Item = (Key, Value)>,
    ) -> Value {
        let mut table = Aggregate::with_kind(kind);
        array.into_iter().for_each(|value| table.push(value));
        pairs.into_iter().for_each(|(key, value)| drop(table.insert(key, value)));
        table.into()
    }

    /// A map with a single pair whose key is `real`, unless that is NaN.
    pub(crate) fn keyed(real: f64, value: &str) -> Value {
        table(Kind::Map, vec![], Key::real(real).into_iter().map(|key| (key, value.into())))
    }

    /// Lists in lists.
    pub(crate) fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::from(1), |inner, _| Value::list([inner]))
    }
}
