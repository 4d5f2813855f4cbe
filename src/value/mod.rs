//! The values that cross between scripts and Rust, and the conversions from and to Rust's own
//! types.

mod aggregate;
mod args;
mod de;
mod debug;
mod from_value;
mod function;
mod into_value;
mod key;
mod ser;
mod serde_impl;
#[cfg(test)]
mod tests;
mod walk;

pub use aggregate::{Aggregate, Kind};
pub use args::{IntoArgs, Rest};
pub(crate) use args::{gather, give_back, kept};
pub use de::from_value;
pub use from_value::FromValue;
pub(crate) use from_value::converted;
pub use function::Function;
pub(crate) use function::{Owner, WeakFunction};
pub use into_value::IntoValue;
pub use key::{Key, RealKey};
pub use ser::to_value;
pub use serde_impl::{DEFAULT_DEPTH, Serde};

use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::sync::Arc;

/// A value of any script and of Rust: the one definition that every engine converts from and to.
///
/// A clone is cheap: strings and aggregates are shared, and copied only when one of the owners
/// changes his ([`Arc::make_mut`]). Every operation here works on a value of any depth without
/// deep recursion, so that no script can overflow the stack with one: dropping, comparing and
/// measuring keep their own list of what is left to do.
///
/// # Equality
/// Values are equal if their types and contents are: the int `1` is not the real `1.0`. Reals
/// compare as numbers (`0.0` equals `-0.0`), but NaN equals NaN, so that every value equals its
/// clone. Aggregates are equal if their kinds, their arrays and the sets of their pairs are; the
/// order of the pairs does not count, since not every language keeps it.
///
/// # Strings and bytes
/// A [`String`](Self::String) is what scripts write as text, [`Bytes`](Self::Bytes) are what a
/// socket, a file or the body of a request yields. Both hold any bytes; which of the two a value is
/// never depends on them. Lua and BASIC have one type for both, their string, which leaves them as a
/// `String`; in JavaScript `Bytes` are a `Uint8Array`, whatever they contain, and the other way
/// round. They are not equal, but whoever asks for text, or for bytes, gets both.
///
/// # Debug
/// Prints the value in short, bounded in depth, items and length of strings: fit for a log. Bytes
/// are `b"..."`, a string that is not UTF-8 is `"\xff"`.
///
/// ```
/// use calog::Value;
/// let order = Value::map([("id", Value::from(42)), ("tags", Value::list(["new", "paid"]))]);
/// let aggregate = order.as_aggregate().unwrap();
/// assert_eq!(aggregate.get_str("id").unwrap().as_int(), Some(42));
/// assert_eq!(format!("{order:?}"), r#"{"id": 42, "tags": ["new", "paid"]}"#);
/// ```
// A tag of a whole word: a value is moved by words then. Beside a smaller one there are bytes that are
// copied in pieces, and the next move waits until those have met in the cache.
#[derive(Clone, Default)]
#[repr(u64)]
pub enum Value {
    /// Nothing.
    #[default]
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// A string of a script: text if it is UTF-8, as it mostly is.
    String(Bytes),
    /// Bytes as such, whatever they contain.
    Bytes(Bytes),
    /// A list, a map, or both in one.
    Aggregate(Arc<Aggregate>),
    /// A function of a script, by reference.
    Function(Function),
}

impl Value {
    /// A list of `values`.
    ///
    /// ```
    /// use calog::Value;
    /// assert_eq!(Value::list([1, 2]).as_aggregate().unwrap().array()[1], Value::Int(2));
    /// ```
    pub fn list<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        Aggregate::list(values.into_iter().map(Into::into).collect()).into()
    }

    /// A map of `pairs`, in their order; a later duplicate of a key replaces the value of the
    /// first.
    ///
    /// ```
    /// use calog::Value;
    /// let map = Value::map([("a", 1), ("b", 2), ("a", 3)]);
    /// assert_eq!(map, Value::map([("a", 3), ("b", 2)]));
    /// ```
    pub fn map<K: Into<Key>, V: Into<Self>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Aggregate::map(pairs).into()
    }

    /// The name of the type: `nil`, `bool`, `int`, `real`, `string`, `bytes`, `aggregate` or
    /// `function`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Real(_) => "real",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Aggregate(_) => "aggregate",
            Self::Function(_) => "function",
        }
    }

    /// Whether this is [`Nil`](Self::Nil).
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The bool, if it is one.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(bool) = self { Some(*bool) } else { None }
    }

    /// The integer, if it is an int; a real is none, even if it is integral.
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The number, if it is a real; an int is none.
    pub const fn as_real(&self) -> Option<f64> {
        if let Self::Real(real) = self { Some(*real) } else { None }
    }

    /// The text, if it is a string of UTF-8; bytes are none, even if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(bytes) = self { std::str::from_utf8(bytes).ok() } else { None }
    }

    /// The bytes of a string, or bytes as such.
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        if let Self::String(bytes) | Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The aggregate, if it is one.
    pub fn as_aggregate(&self) -> Option<&Aggregate> {
        if let Self::Aggregate(aggregate) = self { Some(aggregate) } else { None }
    }

    /// The function, if it is one.
    pub const fn as_function(&self) -> Option<&Function> {
        if let Self::Function(function) = self { Some(function) } else { None }
    }

    /// How many aggregates deep the value is nested: 0 for a plain value, 1 for a flat aggregate.
    ///
    /// ```
    /// use calog::Value;
    /// assert_eq!(Value::from(1).depth(), 0);
    /// assert_eq!(Value::list([Value::list([1]), Value::Nil]).depth(), 2);
    /// ```
    pub fn depth(&self) -> usize {
        walk::measure(self).depth
    }

    /// Checks that the value is nested no deeper than `cap`.
    ///
    /// # Errors
    /// `range` if it is; the message names the cap.
    pub fn check_depth(&self, cap: usize) -> Result<()> {
        if self.depth() > cap { Err(too_deep(cap)) } else { Ok(()) }
    }

    /// [`check_depth`](Self::check_depth) and [`size_bytes`](Self::size_bytes) in one walk.
    pub(crate) fn checked_size(&self, cap: usize) -> Result<usize> {
        let measure = walk::measure(self);
        if measure.depth > cap { Err(too_deep(cap)) } else { Ok(measure.bytes) }
    }

    /// How large the value is: the bytes of all its strings and those as such, and 32 bytes for
    /// every value and key, on every machine alike.
    ///
    /// A part that is shared counts at each of its places, since a script gets a copy at each. The
    /// result stays at [`usize::MAX`] if it would be more.
    ///
    /// ```
    /// use calog::Value;
    /// assert_eq!(Value::from("four").size_bytes(), 32 + 4);
    /// assert_eq!(Value::map([("k", 1)]).size_bytes(), 32 + (32 + 1) + 32);
    /// ```
    pub fn size_bytes(&self) -> usize {
        walk::measure(self).bytes
    }

    /// The name of the type for people: that of an aggregate tells its kind.
    fn described(&self) -> &'static str {
        match self {
            Self::Aggregate(aggregate) => aggregate.kind().described(),
            _ => self.type_name(),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        walk::equal(self, other)
    }
}

/// The error for a value that has another type than `expected`.
fn mismatch(expected: &str, got: &Value) -> Error {
    Error::new(ErrorKind::Type, format!("expected {expected}, got {}", got.described()))
}

/// The error for a value that is nested deeper than `cap`.
fn too_deep(cap: usize) -> Error {
    Error::new(ErrorKind::Range, format!("nested deeper than {cap}"))
}

macro_rules! from {
    ($($variant:ident($type:ty),)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    Bool(bool),
    Int(i8),
    Int(i16),
    Int(i32),
    Int(i64),
    Int(u8),
    Int(u16),
    Int(u32),
    Real(f32),
    Real(f64),
    String(String),
    Bytes(Bytes),
    Aggregate(Aggregate),
    Aggregate(Arc<Aggregate>),
    Function(Function),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Int(int) => Self::Int(int),
            Key::Real(real) => Self::Real(real.get()),
            Key::String(bytes) => Self::String(bytes),
        }
    }
}

/// None is nil.
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::Nil, Into::into)
    }
}
