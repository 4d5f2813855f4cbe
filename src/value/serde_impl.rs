//! Values as data of serde, and data of serde as values of a call.

use super::{
    Aggregate, FromValue, IntoValue, Key, Kind, Value, from_value as deserialise, to_value,
    too_deep,
};
use crate::error::{Error, ErrorKind, Result};
use serde::{
    Deserialize, Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, Unexpected, Visitor},
    ser::{self, SerializeMap},
};
use std::{fmt, ops::Deref};

/// How many containers deep [`to_value`] and [`from_value`](super::from_value) go, and a [`Value`]
/// that is serialised itself: 64, half of what serde_json takes by default.
pub const DEFAULT_DEPTH: usize = 64;

/// Any type of serde as a parameter, argument or result of a call.
///
/// ```
/// use calog::{FromValue, IntoValue, Serde};
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Point { x: f64, y: f64 }
/// let value = Serde(Point { x: 0.5, y: 2.0 }).into_value().unwrap();
/// assert_eq!(Serde::<Point>::from_value(value).unwrap().0, Point { x: 0.5, y: 2.0 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serde<T>(pub T);

impl<T> Deref for Serde<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// By [`to_value`].
impl<T: Serialize> IntoValue for Serde<T> {
    fn into_value(self) -> Result<Value> {
        to_value(&self.0)
    }
}

/// By [`from_value`](super::from_value()).
impl<T: DeserializeOwned> FromValue for Serde<T> {
    fn from_value(value: Value) -> Result<Self> {
        deserialise(value).map(Self)
    }
}

/// The error that a type's own `Serialize` or `Deserialize` reports: of kind `type`, unless it
/// passes on an [`Error`] about a value, which serde hands over as text with the kind in front.
pub(super) fn reported(message: impl fmt::Display) -> Error {
    let text = message.to_string();
    for kind in [ErrorKind::Type, ErrorKind::Range, ErrorKind::Unrepresentable] {
        let rest = text.strip_prefix(kind.as_str());
        if let Some(what) = rest.and_then(|rest| rest.strip_prefix(": ")) {
            return Error::new(kind, what);
        }
    }
    Error::new(ErrorKind::Type, text)
}

/// A string that is not UTF-8 is serialised as bytes are, since text of serde's is UTF-8, and a mix
/// of list and map as a map with the list's values under the keys from 1.
///
/// # Errors
/// For a function, for a mix that would have a key twice, and for a value that is nested deeper
/// than [`DEFAULT_DEPTH`].
impl Serialize for Value {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested { value: self, left: DEFAULT_DEPTH }.serialize(serializer)
    }
}

/// A value that may contain `left` more levels of aggregates.
struct Nested<'a> {
    value: &'a Value,
    left: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Int(int) => serializer.serialize_i64(*int),
            Value::Real(real) => serializer.serialize_f64(*real),
            Value::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => serializer.serialize_bytes(bytes),
            },
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Aggregate(aggregate) => {
                let left = self.left.checked_sub(1).ok_or_else(|| too_deep(DEFAULT_DEPTH));
                container(aggregate, left.map_err(ser::Error::custom)?, serializer)
            }
            Value::Function(_) => {
                let what = "a function cannot be serialised";
                Err(ser::Error::custom(Error::new(ErrorKind::Unrepresentable, what)))
            }
        }
    }
}

fn container<S: ser::Serializer>(
    aggregate: &Aggregate,
    left: usize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let array = aggregate.array().iter().map(|value| Nested { value, left });
    if aggregate.kind() == Kind::List {
        return serializer.collect_seq(array);
    }
    aggregate.check_entries().map_err(ser::Error::custom)?;
    let mut map = serializer.serialize_map(Some(aggregate.len()))?;
    (1_i64..).zip(array).try_for_each(|(index, value)| map.serialize_entry(&index, &value))?;
    for (key, value) in aggregate.pairs() {
        map.serialize_entry(&Value::from(key.clone()), &Nested { value, left })?;
    }
    map.end()
}

/// Takes anything of a self-describing format: sequences become lists, maps become maps.
///
/// # Errors
/// For an integer beyond 64 bits with sign, for a key that is not an int, a real or a string, and
/// for what is nested deeper than [`DEFAULT_DEPTH`].
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Builder { left: DEFAULT_DEPTH }.deserialize(deserializer)
    }
}

/// Builds a value of at most `left` levels.
#[derive(Clone, Copy)]
struct Builder {
    left: usize,
}

impl Builder {
    /// One level deeper.
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        let left = left.ok_or_else(|| too_deep(DEFAULT_DEPTH)).map_err(E::custom)?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Builder {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, bool: bool) -> Result<Value, E> {
        Ok(bool.into())
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Value, E> {
        Ok(int.into())
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Value, E> {
        let signed = i64::try_from(int).map(Value::Int);
        signed.map_err(|_| E::invalid_value(Unexpected::Unsigned(int), &"an int of 64 bits"))
    }

    fn visit_f64<E: de::Error>(self, real: f64) -> Result<Value, E> {
        Ok(real.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        self.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        self.deeper()?.deserialize(inner)
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        self.deeper()?.deserialize(inner)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (inner, mut list) = (self.deeper()?, Aggregate::new());
        while let Some(value) = items.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let (inner, mut map) = (self.deeper()?, Aggregate::with_kind(Kind::Map));
        while let Some(key) = pairs.next_key_seed(inner)? {
            let key = Key::try_from(key).map_err(de::Error::custom)?;
            map.insert(key, pairs.next_value_seed(inner)?);
        }
        Ok(map.into())
    }
}
