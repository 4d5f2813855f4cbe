//! From Rust's own types to values.

use super::{Aggregate, Function, Key, Value};
use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What can become a [`Value`]: what natives return, and what a host passes to a script.
///
/// Vectors, arrays and slices become lists (of ints for `Vec<u8>`), [`Bytes`] become bytes as such,
/// maps become maps (those of a `HashMap` in any order), [`None`] and `()` become
/// nil, a char becomes a string. A `Result` becomes the value of its `Ok`, or fails with its error.
///
/// ```
/// use calog::{ErrorKind, IntoValue, Value};
/// assert_eq!([1, 2].into_value().unwrap(), Value::list([1, 2]));
/// assert_eq!(Err::<i64, _>("boom").into_value().unwrap_err().kind(), ErrorKind::Raised);
/// let error = [0, u64::MAX].into_value().unwrap_err();
/// assert_eq!(error.message(), "[2]: 18446744073709551615 is out of range for int");
/// ```
pub trait IntoValue {
    /// Converts it.
    ///
    /// # Errors
    /// `range` for an integer beyond 64 bits with sign; the error of a `Result`. The message names
    /// the place inside the value: `[2]` is the second of a list, counted from 1 as scripts do;
    /// `.name` is the value of the key `name`.
    fn into_value(self) -> Result<Value>;
}

macro_rules! infallible {
    ($($type:ty),* $(,)?) => {$(
        impl IntoValue for $type {
            fn into_value(self) -> Result<Value> {
                Ok(self.into())
            }
        }
    )*};
}

infallible!(
    bool,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    f32,
    f64,
    &str,
    String,
    Bytes,
    Value,
    Aggregate,
    Arc<Aggregate>,
    Function,
    Key
);

macro_rules! wide {
    ($($type:ty),*) => {$(
        impl IntoValue for $type {
            fn into_value(self) -> Result<Value> {
                i64::try_from(self).map(Value::Int).map_err(|_| out_of_range(self, "int"))
            }
        }
    )*};
}

wide!(u64, u128, i128, usize, isize);

/// The error for a number that does not fit.
pub(super) fn out_of_range(number: impl std::fmt::Display, target: &str) -> Error {
    Error::new(ErrorKind::Range, format!("{number} is out of range for {target}"))
}

impl IntoValue for () {
    fn into_value(self) -> Result<Value> {
        Ok(Value::Nil)
    }
}

impl IntoValue for char {
    fn into_value(self) -> Result<Value> {
        Ok(self.to_string().into())
    }
}

impl IntoValue for Cow<'_, str> {
    fn into_value(self) -> Result<Value> {
        Ok(self.into_owned().into())
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Result<Value> {
        self.map_or(Ok(Value::Nil), T::into_value)
    }
}

/// So that natives may return either.
impl<T: IntoValue, E: Into<Error>> IntoValue for Result<T, E> {
    fn into_value(self) -> Result<Value> {
        self.map_err(Into::into)?.into_value()
    }
}

/// A clone of what is borrowed.
impl<T: IntoValue + Clone> IntoValue for &T {
    fn into_value(self) -> Result<Value> {
        self.clone().into_value()
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Result<Value> {
        list(self)
    }
}

impl<T: IntoValue, const N: usize> IntoValue for [T; N] {
    fn into_value(self) -> Result<Value> {
        list(self)
    }
}

impl<T: IntoValue + Clone> IntoValue for &[T] {
    fn into_value(self) -> Result<Value> {
        list(self.iter().cloned())
    }
}

impl<K: Into<Key>, V: IntoValue, S> IntoValue for HashMap<K, V, S> {
    fn into_value(self) -> Result<Value> {
        map(self)
    }
}

impl<K: Into<Key>, V: IntoValue> IntoValue for BTreeMap<K, V> {
    fn into_value(self) -> Result<Value> {
        map(self)
    }
}

fn list<T: IntoValue>(items: impl IntoIterator<Item = T>) -> Result<Value> {
    let items = items.into_iter();
    // A collected `Result` would know no size and grow step by step.
    let mut values = Vec::with_capacity(items.size_hint().0);
    for (index, item) in items.enumerate() {
        values.push(item.into_value().map_err(|error| error.at(index_segment(index)))?);
    }
    Ok(Aggregate::list(values).into())
}

fn map<K: Into<Key>, V: IntoValue>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Value> {
    let pairs = pairs.into_iter();
    let mut map = Aggregate::map_with_capacity(pairs.size_hint().0);
    for (key, value) in pairs {
        let key = key.into();
        let value = value.into_value().map_err(|error| error.at(key.segment()))?;
        map.insert(key, value);
    }
    Ok(map.into())
}

/// The step of a path to the value at `index` of a list, which is counted from 0 in Rust and from 1
/// in every message.
pub(super) fn index_segment(index: usize) -> String {
    format!("[{}]", index + 1)
}
