//! From values to Rust's own types.

use super::{
    Aggregate, Function, Key, Value,
    into_value::{index_segment, out_of_range},
    mismatch,
};
use crate::error::{Error, ErrorKind, Result};
use bytes::Bytes;
use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
    sync::Arc,
};

/// What a [`Value`] can become: the parameters of natives, and the results that a host asks for.
///
/// Nothing is converted in a way that could lose something:
/// - An int becomes a float only within ±2^53 (±2^24 for `f32`), where every int has one.
/// - A real becomes an integer only if it is integral and fits. Into an `f32` it is rounded.
/// - A string becomes a [`String`] only if it is UTF-8; [`Bytes`] takes any. Bytes as such become
///   both in the same way. A [`char`] is a string of one character.
/// - A `bool` takes only a bool. But what a native gets from a script, or a host as its result, in a
///   language that has no booleans, may also be the int 0 or 1 for it, at any place in the value.
/// - `()` takes only nil, and an [`Option`] is [`None`] only for nil.
/// - A `Vec` and an array take only lists, an array only one of its length. Maps take maps, and a mix
///   of list and map with the list's values under the keys from 1. An empty container will do for
///   both: a script often cannot say which it is.
///
/// ```
/// use calog::{ErrorKind, FromValue, Value};
/// assert_eq!(Vec::<u8>::from_value(Value::list([1, 2])).unwrap(), [1, 2]);
/// assert_eq!(f64::from_value(Value::Int(2)).unwrap(), 2.0);
/// let error = Vec::<String>::from_value(Value::list([1])).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Type);
/// assert_eq!(error.message(), "[1]: expected string, got int");
/// ```
pub trait FromValue: Sized {
    /// Converts the value.
    ///
    /// # Errors
    /// `type` for a value of another type, `range` for a number that does not fit,
    /// `unrepresentable` for bytes that are not UTF-8 where text is wanted, and for a mix of list
    /// and map that would have a key twice as a map. The message names the place inside the value:
    /// `[2]` is the second of a list, counted from 1 as scripts do; `.name` is the value of the key
    /// `name`.
    fn from_value(value: Value) -> Result<Self>;

    /// Takes the value out of `slot` and converts it: the same as [`from_value`](Self::from_value),
    /// but a scalar need not be moved first, which matters in the call of a native.
    ///
    /// # Errors
    /// Those of [`from_value`](Self::from_value). What is left in the slot is then unspecified.
    #[inline]
    fn take_from(slot: &mut Value) -> Result<Self> {
        Self::from_value(std::mem::take(slot))
    }

    /// What stands for an argument that is not given.
    ///
    /// # Errors
    /// `arity`, except for what takes nil: an [`Option`] is [`None`] and a [`Value`] is nil.
    fn missing() -> Result<Self> {
        Err(Error::new(ErrorKind::Arity, "missing"))
    }
}

/// The integer that an int or an integral real is. Wide enough for every target but the upper half
/// of `u128`, which no int reaches.
fn integer(value: &Value, target: &str) -> Result<i128> {
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    match *value {
        Value::Int(int) => Ok(int.into()),
        Value::Real(real) if real.is_infinite() => {
            Err(out_of_range(format_args!("{real:?}"), target))
        }
        Value::Real(real) if real.fract() != 0.0 => {
            Err(Error::new(ErrorKind::Type, format!("expected int, got real {real:?}")))
        }
        Value::Real(real) if real.abs() < LIMIT => Ok(real as i128),
        Value::Real(real) => Err(out_of_range(format_args!("{real:?}"), target)),
        Value::Nil
        | Value::Bool(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Aggregate(_)
        | Value::Function(_) => Err(mismatch("int", value)),
    }
}

macro_rules! integers {
    ($($type:ident),*) => {$(
        impl FromValue for $type {
            #[inline]
            fn take_from(slot: &mut Value) -> Result<Self> {
                if let Value::Int(int) = *slot
                    && let Ok(fits) = int.try_into()
                {
                    return Ok(fits);
                }
                Self::from_value(std::mem::take(slot))
            }

            fn from_value(value: Value) -> Result<Self> {
                let target = stringify!($type);
                let int = integer(&value, target)?;
                int.try_into().map_err(|_| out_of_range(int, target))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

/// The number that a real or an int of at most `bits` bits is.
fn real(value: &Value, bits: u32, target: &str) -> Result<f64> {
    match *value {
        Value::Real(real) => Ok(real),
        Value::Int(int) if int.unsigned_abs() <= 1 << bits => Ok(int as f64),
        Value::Int(int) => Err(out_of_range(int, target)),
        Value::Nil
        | Value::Bool(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Aggregate(_)
        | Value::Function(_) => Err(mismatch("real", value)),
    }
}

impl FromValue for f64 {
    #[inline]
    fn take_from(slot: &mut Value) -> Result<Self> {
        if let Value::Real(real) = *slot {
            return Ok(real);
        }
        Self::from_value(std::mem::take(slot))
    }

    fn from_value(value: Value) -> Result<Self> {
        real(&value, Self::MANTISSA_DIGITS, "f64")
    }
}

impl FromValue for f32 {
    fn from_value(value: Value) -> Result<Self> {
        let wide = real(&value, Self::MANTISSA_DIGITS, "f32")?;
        let narrow = wide as Self;
        if narrow.is_infinite() && wide.is_finite() {
            return Err(out_of_range(format_args!("{wide:?}"), "f32"));
        }
        Ok(narrow)
    }
}

macro_rules! variants {
    ($($type:ty, $variant:ident, $name:literal;)*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                match value {
                    Value::$variant(inner) => Ok(inner),
                    other => Err(mismatch($name, &other)),
                }
            }
        }
    )*};
}

variants! {
    Arc<Aggregate>, Aggregate, "list or map";
    Function, Function, "function";
}

thread_local! {
    /// Does the value that is being converted come from a language without booleans?
    static NO_BOOLS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `convert`, the conversion of values from a language that has booleans or not. Where it has
/// none, 0 and 1 are taken for a bool: only whoever asks for one can tell what they mean.
///
/// A type's conversion is told by way of the thread, so that it holds for the parts of any type,
/// also of those that others define.
#[inline]
pub(crate) fn converted<R>(has_bools: bool, convert: impl FnOnce() -> R) -> R {
    /// Also when `convert` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            NO_BOOLS.set(self.0);
        }
    }
    let _restore = (!has_bools).then(|| Restore(NO_BOOLS.replace(true)));
    convert()
}

/// Stands `value` for a bool although it is none?
pub(super) fn is_numeric_bool(value: &Value) -> bool {
    matches!(value, Value::Int(_)) && NO_BOOLS.get()
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Bool(bool) => Ok(bool),
            Value::Int(0) if NO_BOOLS.get() => Ok(false),
            Value::Int(1) if NO_BOOLS.get() => Ok(true),
            Value::Int(int) if NO_BOOLS.get() => {
                let message = format!("expected bool, which is 0 or 1, got {int}");
                Err(Error::new(ErrorKind::Type, message))
            }
            other => Err(mismatch("bool", &other)),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }

    fn missing() -> Result<Self> {
        Ok(Self::Nil)
    }
}

impl FromValue for () {
    fn from_value(value: Value) -> Result<Self> {
        if value.is_nil() { Ok(()) } else { Err(mismatch("nil", &value)) }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        if value.is_nil() { Ok(None) } else { T::from_value(value).map(Some) }
    }

    fn missing() -> Result<Self> {
        Ok(None)
    }
}

/// The error for bytes where text is wanted.
pub(super) fn not_text() -> Error {
    Error::new(ErrorKind::Unrepresentable, "expected text, got bytes that are not UTF-8")
}

/// Takes strings and bytes as such.
impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::String(bytes) | Value::Bytes(bytes) => Ok(bytes),
            other => Err(mismatch("string", &other)),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self> {
        Self::from_utf8(Bytes::from_value(value)?.into()).map_err(|_| not_text())
    }
}

impl FromValue for Cow<'static, str> {
    fn from_value(value: Value) -> Result<Self> {
        String::from_value(value).map(Cow::Owned)
    }
}

impl FromValue for char {
    fn from_value(value: Value) -> Result<Self> {
        let text = String::from_value(value)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(char),
            _ => {
                let what = format!("expected one character, got {}", text.chars().count());
                Err(Error::new(ErrorKind::Type, what))
            }
        }
    }
}

/// Takes an int, a real, a string or bytes, which become a string.
impl FromValue for Key {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(_) | Value::Real(_) | Value::String(_) | Value::Bytes(_) => value.try_into(),
            Value::Nil | Value::Bool(_) | Value::Aggregate(_) | Value::Function(_) => {
                Err(mismatch("int, real or string", &value))
            }
        }
    }
}

impl FromValue for Aggregate {
    fn from_value(value: Value) -> Result<Self> {
        <Arc<Self>>::from_value(value).map(Arc::unwrap_or_clone)
    }
}

/// The aggregate in a value, where a list or a map (`expected`) is wanted.
fn container(value: Value, expected: &str) -> Result<Aggregate> {
    match value {
        Value::Aggregate(aggregate) => Ok(Arc::unwrap_or_clone(aggregate)),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Function(_) => Err(mismatch(expected, &value)),
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self> {
        let mut values = container(value, "list")?.into_list()?;
        let mut items = Self::with_capacity(values.len());
        for (index, slot) in values.iter_mut().enumerate() {
            items.push(T::take_from(slot).map_err(|error| error.at(index_segment(index)))?);
        }
        Ok(items)
    }
}

impl<T: FromValue, const N: usize> FromValue for [T; N] {
    fn from_value(value: Value) -> Result<Self> {
        Vec::from_value(value)?.try_into().map_err(|values: Vec<T>| {
            let what = format!("expected a list of {N}, got one of {}", values.len());
            Error::new(ErrorKind::Type, what)
        })
    }
}

impl<K, V, S> FromValue for HashMap<K, V, S>
where
    K: FromValue + Eq + Hash,
    V: FromValue,
    S: BuildHasher + Default,
{
    fn from_value(value: Value) -> Result<Self> {
        pairs(value)
    }
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: Value) -> Result<Self> {
        pairs(value)
    }
}

fn pairs<K: FromValue, V: FromValue, M: FromIterator<(K, V)>>(value: Value) -> Result<M> {
    let convert = |(key, value): (Key, Value)| {
        let value = V::from_value(value).map_err(|error| error.at(key.segment()))?;
        let name = K::from_value(key.clone().into())
            .map_err(|error| error.at(format_args!("[key {key:?}]")))?;
        Ok((name, value))
    };
    container(value, "map")?.into_entries()?.map(convert).collect()
}
